"""User input, checked: texts, labels, classes, unlabelled texts, samples and settings."""
