"""The state of alerts on disk, by the batch after which it was."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from .marks import sync_folder

__all__ = ["AlertStates"]

_SUFFIX = ".json"


class AlertStates:
    """Files of states in a folder. It is for one thread.

    The newest state that is not after the position of the sink is kept, and so are later ones: after a kill, the
    position may be the one of before.

    Parameters
    ----------
    folder : Path
        The first state creates it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, after: int) -> dict[str, Any] | None:
        """Return the newest state that is not after a batch, and remove later ones; None if there is none."""
        found = None
        for seq in sorted(self._numbers()):
            if seq > after:
                with suppress(OSError):
                    self._path(seq).unlink()
                continue
            with suppress(OSError, ValueError):
                state = json.loads(self._path(seq).read_bytes())
                found = state if isinstance(state, dict) else found
        return found

    def store(self, seq: int, state: bytes, after: int) -> None:
        """Make the state after batch `seq` durable, and remove those that a position of `after` or more does not need.

        Raises OSError; then the older states remain.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._folder / "state.tmp"
        with open(temporary, "wb", opener=_private) as file:
            file.write(state)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path(seq))
        sync_folder(self._folder)
        numbers = self._numbers()
        needed = max((each for each in numbers if each <= after), default=0)
        for each in numbers:
            if each < needed:
                self._path(each).unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        names = [path.name for path in self._folder.glob(f"[0-9]*{_SUFFIX}")]
        return [int(name.removesuffix(_SUFFIX)) for name in names if name.removesuffix(_SUFFIX).isdecimal()]

    def _path(self, seq: int) -> Path:
        return self._folder / f"{seq:020d}{_SUFFIX}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
