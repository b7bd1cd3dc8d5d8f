"""What people ask of a lattice, and how they look at it."""
