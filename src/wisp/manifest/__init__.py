"""The manifest `wisp.toml`, the lock file `wisp.lock`, and the locked app that workers are given.

`load` reads, `models` says what may be written, `lock` pins what comes from outside, `locked` is what goes on to
the workers. Nothing here does I/O but with the files that it is told of.

The modules are imported one by one, so that a command pays only for what it uses.
"""
