"""What runs inside a Python component: nothing but the standard library.

`wisp_guest.http` is what a service imports. `keyvalue`, `sqlite`, `blobstore`, `config`, `logs`, `messaging` and `client` are what a host
offers: a component has those that its sources import. `testing` stands in for the host in tests, and all errors are of `errors`.

The modules whose names begin with an underscore belong to them; of these only `_wasi` and `_loop` need the inside of a component, all
others work in any Python, so that a handler is tested by calling it with a `Request`.
"""
