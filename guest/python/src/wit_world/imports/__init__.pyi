"""The interfaces that the world imports."""
