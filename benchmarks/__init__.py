"""Speed and memory of the package, as ratios within one run."""
