"""NATS as wisp uses it: connections, buckets, objects and requests. Only modules of this room import its client."""
