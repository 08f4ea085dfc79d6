"""A normalizer that ends the process at some records, as a fault of memory does."""

from __future__ import annotations

import os
from typing import Any

from cfdns_fast import Normalizer

__all__ = ["HungryNormalizer", "PoisonedNormalizer"]

#: What ends the process.
POISON = b"n1-7.example.com"


class _Stream:
    def __init__(self, stream: Any, act: Any) -> None:
        self._stream = stream
        self._act = act

    def __enter__(self) -> _Stream:
        self._stream.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stream.__exit__(*exception)

    def parts(self, block: bytes, **options: Any) -> Any:
        if POISON in block:
            self._act()
        return self._stream.parts(block, **options)


class PoisonedNormalizer(Normalizer):
    """Ends the process."""

    def stream(self, **options: Any) -> Any:  # type: ignore[override]
        return _Stream(super().stream(**options), lambda: os.kill(os.getpid(), 9))


class HungryNormalizer(Normalizer):
    """Takes memory without end."""

    def stream(self, **options: Any) -> Any:  # type: ignore[override]
        def take() -> None:
            held = []
            while True:
                held.append(bytes(64 << 20))

        return _Stream(super().stream(**options), take)
