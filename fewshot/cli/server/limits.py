"""Limits of requests, so that none takes the memory or the time of all others."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fewshot.errors import InputError


@dataclass(frozen=True)
class Limits:
    """What a request may ask for, and what may wait."""

    body_bytes: int = 4 * 2**20
    body_seconds: int = 30  # until the whole body is there
    texts: int = 1024  # of a request
    characters: int = 100_000  # of a text, all fields together
    waiting: int = 4096  # texts that wait for a model
    batch: int = 64  # texts that are predicted at once
    connections: int = 1000

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise InputError(f"{field.name} is at least 1, got {getattr(self, field.name)}")
        if self.waiting < self.texts:
            raise InputError(
                f"{self.waiting} texts may wait, but a request may hold {self.texts}, which would "
                "always be refused; let at least as many wait"
            )
