"""The spool: acknowledged batches on disk, in SQLite segments, until every sink has delivered them.

- `state`: the state folder, its version and its locks.
- `writer`: store batches; one in each state folder.
- `reader`: read batches in order; any number.
- `cursor`: the position of a sink.
- `tools`: look at the spool beside a running receiver, and leave requests.
"""

from __future__ import annotations

from .batch import MIN_DUPLICATE_BYTES, Arrival, Batch, Outcome, hash_of
from .cursor import Cursor, Replay, positions
from .reader import SpoolReader
from .recovery import Recovery
from .state import StateError, StateFolder
from .status import SpoolStatus
from .writer import SpoolWriter

__all__ = [
    "MIN_DUPLICATE_BYTES",
    "Arrival",
    "Batch",
    "Cursor",
    "Outcome",
    "Recovery",
    "Replay",
    "SpoolReader",
    "SpoolStatus",
    "SpoolWriter",
    "StateError",
    "StateFolder",
    "hash_of",
    "positions",
]
