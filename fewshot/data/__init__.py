"""User input, checked: texts, labels, classes, unlabelled pools, samples and settings."""
