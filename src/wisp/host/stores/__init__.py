"""The stores of apps, as files: what there is, written out, read in, and checked. No host needs to run; one may."""
