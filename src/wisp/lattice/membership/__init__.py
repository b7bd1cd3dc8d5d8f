"""Who belongs to a lattice: its authority, certificates and claims; letting in, renewing, and letting in no more."""
