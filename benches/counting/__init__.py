"""Counts what requests take of the worker: what is the same in every run, so that a change of it means something."""
