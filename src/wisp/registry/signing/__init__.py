"""Who vouches for what a registry has: keys, signatures as cosign makes them, and what a host trusts."""
