"""Objects for the option `detect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfdns_fast import Detection
from cfdns_fast.matching import Annotation, Matcher

__all__ = ["Found"]


class Found:
    """A detector whose annotations say what was found."""

    def __init__(self, matcher: Matcher, *, level: int = 1) -> None:
        self.found_by = matcher
        self.level = level

    def matcher(self) -> Matcher:
        return self.found_by

    def annotation(self, detection: Detection, event: Mapping[str, Any]) -> Annotation | None:
        if detection.name.startswith("quiet"):
            return None
        rule = {"id": f"rule-{self.level}", "name": detection.name}
        enrichment = {"matched": {"atomic": detection.name[detection.start :], "occurred": event.get("@timestamp")}}
        return Annotation(self.level, rule, {"framework": "é"}, [enrichment], {"level": self.level})
