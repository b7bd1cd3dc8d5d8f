"""What a host does: it joins, gets what it is to run, serves it, and remembers it for when NATS is away."""
