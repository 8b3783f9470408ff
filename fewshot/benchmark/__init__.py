"""Honest comparisons: methods x data sets x shots x seeds, measured, resumed and reported."""
