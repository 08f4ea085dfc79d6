"""Alerts whose window is not over yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .documents import closed_document

__all__ = ["Key", "OpenAlert", "Span", "int_or_none"]

#: The rule, the key (None: all keys after the first ones) and the severity.
Key = tuple[str, str | None, int]


class Span:
    """A window of time: its open alerts, and how many keys each rule and severity has had in it."""

    __slots__ = ("alerts", "keys")

    def __init__(self) -> None:
        self.alerts: dict[Key, OpenAlert] = {}
        self.keys: Counter[tuple[str, int]] = Counter()

    def state(self) -> dict[str, Any]:
        """Return the window as JSON values."""
        return {
            "alerts": [[*key, *alert.state()] for key, alert in self.alerts.items()],
            "keys": [[*group, count] for group, count in self.keys.items()],
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Span:
        """Return the window of a state. Raises KeyError, TypeError or ValueError if it is something else."""
        made = cls()
        for rule, key, severity, *alert in state["alerts"]:
            made.alerts[rule, key, severity] = OpenAlert.of(*alert)
        made.keys.update({(rule, severity): count for rule, severity, count in state["keys"]})
        return made


class OpenAlert:
    """An open alert: its first document, and what was counted since."""

    __slots__ = ("_first", "_last", "_line", "count")

    def __init__(self, line: bytes, occurred: str | None, time_ns: int | None) -> None:
        self.count = 1
        self._line = line
        self._first = self._last = (time_ns, occurred)

    @property
    def size_bytes(self) -> int:
        """The size of the first document."""
        return len(self._line)

    def add(self, occurred: str | None, time_ns: int | None) -> None:
        self.count += 1
        if time_ns is None:
            return
        if self._first[0] is None or time_ns < self._first[0]:
            self._first = time_ns, occurred
        if self._last[0] is None or time_ns > self._last[0]:
            self._last = time_ns, occurred

    def state(self) -> list[Any]:
        """Return the alert as JSON values, for `of`."""
        return [self._line.decode("utf-8"), self.count, self._first, self._last]

    @classmethod
    def of(cls, line: str, count: int, first: list[Any], last: list[Any]) -> OpenAlert:
        """Return the alert of a state. Raises TypeError or ValueError if it is something else."""
        made = cls(line.encode("utf-8"), None, None)
        made.count = int(count)
        made._first, made._last = (int_or_none(first[0]), first[1]), (int_or_none(last[0]), last[1])
        return made

    def closed(self, created: str) -> bytes:
        return closed_document(self._line, count=self.count, start=self._first[1], end=self._last[1], created=created)


def int_or_none(value: Any) -> int | None:
    """Return a number of a state. Raises TypeError or ValueError if it is something else."""
    return None if value is None else int(value)
