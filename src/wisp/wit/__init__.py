"""Interface descriptions (WIT): a model of them, what differs between two, and the packages that one is made with."""
