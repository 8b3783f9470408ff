"""Strategies that tune virtual tokens or prefixes."""
