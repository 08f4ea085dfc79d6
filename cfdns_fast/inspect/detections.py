"""What detectors found, by rule."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Protocol

from .. import Result
from .examples import example_text
from .summary import Example

__all__ = ["Alerts", "DetectionCounts"]

#: Rules that are counted apart.
_MAX_RULES = 10_000


class Alerts(Protocol):
    """The methods of `cfdns_fast.detect.Alerts` that are used."""

    not_kept: int

    def take(self, result: Result[Any]) -> list[bytes]:
        """Take the detections of a result, and return alerts as lines of JSON."""

    def flush(self) -> list[bytes]:
        """Return the alerts that are still open."""


class DetectionCounts:
    """Counts alerts by rule and level. Use it on one thread at a time.

    Parameters
    ----------
    alerts : Alerts
        Gives each alert once, at its end (``at_once=False``).
    keeps_examples : bool
    """

    def __init__(self, alerts: Alerts, *, keeps_examples: bool) -> None:
        self._alerts = alerts
        self._keeps_examples = keeps_examples
        self._counts: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], str] = {}

    @property
    def not_kept(self) -> int:
        """The number of detections that were only counted."""
        return self._alerts.not_kept

    def take(self, part: Result[Any]) -> None:
        """Count the detections of a part."""
        self._add(self._alerts.take(part))

    def rows(self) -> tuple[Example, ...]:
        """Return all rules, the most frequent first. No more detections can be taken."""
        self._add(self._alerts.flush())
        found = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Example(key[0], count, self._examples.get(key), level=key[1]) for key, count in found)

    def _add(self, lines: list[bytes]) -> None:
        for line in lines:
            document = json.loads(line)
            alert = document["cfdns"]["alert"]
            rule = document.get("rule", {})
            key = str(rule.get("name") or rule.get("id") or "(other)"), str(alert["level"])
            if key not in self._counts and len(self._counts) >= _MAX_RULES:
                key = "(other)", key[1]
            self._counts[key] += int(alert["count"])
            name = _name_of(document)
            if self._keeps_examples and key not in self._examples and isinstance(name, str):
                self._examples[key] = example_text(name.encode("utf-8", "replace"))


def _name_of(document: dict[str, Any]) -> Any:
    """Return the query name of an alert, whose event may be one of OCSF; None without one."""
    event = document.get("ocsf")
    if event is None:
        return document.get("dns", {}).get("question", {}).get("name")
    return event.get("query", {}).get("hostname")
