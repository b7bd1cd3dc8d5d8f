"""The bindings that componentize-py makes of the world `wisp:guest/http-service`, as far as `wisp_guest` uses them."""
