"""Compares two states of this repository: their micro-benchmarks in turn, and what their workers' requests take."""
