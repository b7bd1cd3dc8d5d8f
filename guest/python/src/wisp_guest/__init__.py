"""What runs inside a Python component: nothing but the standard library.

`wisp_guest.http` is what a service imports. The modules whose names begin with an underscore belong to it; of these only
`_wasi` and `_loop` need the inside of a component, all others work in any Python, so that a handler is tested by
calling it with a `Request`.
"""
