"""The `nats-server` that hosts bring along: started, configured, and kept running."""
