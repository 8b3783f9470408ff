"""Saved classifiers over HTTP: requests that arrive together are predicted together."""
