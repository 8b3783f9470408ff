"""Masked language models and sentence encoders: loading, encoding, added modules."""
