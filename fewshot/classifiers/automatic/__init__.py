"""Classifier, which chooses among the other estimators and pools what they say."""
