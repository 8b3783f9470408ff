"""Losses beside the one on labels that make training robust."""
