"""Estimators that learn from labelled and unlabelled texts: PET, LiST, PCP."""
