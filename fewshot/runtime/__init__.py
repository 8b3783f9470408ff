"""Exported classifiers, which predict without torch: :func:`load` opens what ``export`` wrote."""

from __future__ import annotations

from fewshot.runtime.classifier import ExportedClassifier, load

__all__ = ["ExportedClassifier", "load"]
