"""How much the server takes at once: bytes of all requests, and requests of each key."""

from __future__ import annotations

from collections import Counter

__all__ = ["Admission"]


class Admission:
    """Counts what is being received and stored. Only the event loop's thread uses it."""

    def __init__(self, max_bytes: int, max_requests_per_key: int) -> None:
        self._max_bytes = max_bytes
        self._max_requests_per_key = max_requests_per_key
        self._requests: Counter[str] = Counter()
        self.bytes = 0

    @property
    def requests(self) -> int:
        """The requests of all keys."""
        return self._requests.total()

    def enter(self, key_name: str) -> bool:
        """Count a request of this key. Returns False, without counting, if the key has too many."""
        if self._requests[key_name] >= self._max_requests_per_key:
            return False
        self._requests[key_name] += 1
        return True

    def reserve(self, size_bytes: int) -> bool:
        """Reserve memory. Returns False, without reserving, if that is too much."""
        if self.bytes + size_bytes > self._max_bytes:
            return False
        self.bytes += size_bytes
        return True

    def leave(self, key_name: str, size_bytes: int) -> None:
        """Count that a request ended, and return the memory that it reserved."""
        self.bytes -= size_bytes
        self._requests[key_name] -= 1
        if not self._requests[key_name]:
            del self._requests[key_name]
