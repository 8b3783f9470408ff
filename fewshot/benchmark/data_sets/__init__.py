"""Data sets of the benchmark: those known by name, and the user's own."""
