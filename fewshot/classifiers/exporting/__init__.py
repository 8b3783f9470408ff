"""Fitted classifiers as graphs that other runtimes run."""
