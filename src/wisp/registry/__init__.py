"""Components and their compiled forms on this machine: the cache, what is fetched into it, what is compiled in it."""
