"""The durable upper bound of batch numbers, from which numbers are not used again when segments are lost."""

from __future__ import annotations

from .files import replace_file
from .state import StateFolder

__all__ = ["MAX_SEGMENT_BATCHES", "Reservation"]

#: A segment with this number of batches is closed, so that a reservation covers it.
MAX_SEGMENT_BATCHES = 1 << 18
_STEP = 1 << 20


class Reservation:
    """All numbers up to `until` may be in use. The spool thread uses it.

    The file is written once in a million batches. It counts when the numbers in use cannot be read: a segment is
    damaged, or all segments were dropped.
    """

    def __init__(self, state: StateFolder) -> None:
        self._path = state.path / "reserved_seq"
        try:
            self.until = int(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            self.until = 0

    def cover(self, first: int) -> None:
        """Reserve the numbers of a segment that begins at `first`; raises OSError."""
        if self.until < first + MAX_SEGMENT_BATCHES:
            self._write(first + _STEP)

    def end_at(self, last_seq: int) -> None:
        """Reserve exactly the used numbers, before the last segment is dropped; raises OSError."""
        if self.until != last_seq:
            self._write(last_seq)

    def _write(self, until: int) -> None:
        replace_file(self._path, b"%d\n" % until)
        self.until = until
