"""The host: a supervisor that owns the sockets, and the worker processes that serve on them.

`service` runs one from start to end; `supervisor` says how workers are kept and exchanged. Nothing here knows manifests
or builders: what to serve comes in as a `Start`, from whoever can make one.
"""
