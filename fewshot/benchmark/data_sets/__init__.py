"""Data sets of the benchmark, and how their training and test texts are drawn."""
