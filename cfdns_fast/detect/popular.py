"""How many names of a top list rules hit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from .. import Detection, Normalizer
from ..matching import Annotation, Predicates
from .sigma.conditions import TRUE, Condition, Match, relax
from .sigma.rule import Rule
from .sigma.to_matching import converted

__all__ = ["PopularHits", "popular_hits"]

MAX_LINE_BYTES = 4_096
MAX_EXAMPLES = 3
#: Names of one call, which keeps a million detections at most.
BATCH = 2_000

_to_json = json.JSONEncoder(ensure_ascii=False).encode


class PopularHits(NamedTuple):
    """What rules hit in a list.

    Attributes
    ----------
    names : int
        The number of names in the list.
    counts : list of int
        How many names each rule hits.
    examples : list of list of str
        The first names that each rule hits, at most three.
    """

    names: int
    counts: list[int]
    examples: list[list[str]]


def popular_hits(rules: Sequence[Rule], path: str) -> PopularHits:
    """Return how many names of a top list each rule would hit if the other fields had the values that it wants.

    The list has one name a line, alone or after a rank and a comma, as those of Tranco and Umbrella do. Raises OSError
    if it cannot be read.
    """
    normalizer = Normalizer(detect=[_OnNames(rules)])
    counts = [0] * len(rules)
    examples: list[list[str]] = [[] for _ in rules]
    names = 0
    found = _names(path)
    while batch := list(islice(found, BATCH)):
        names += len(batch)
        data = "".join(f'{{"QueryName":{_to_json(name)}}}\n' for name in batch).encode("utf-8")
        for detection in normalizer.to_ndjson(data).detections:
            counts[detection.rule] += 1
            if counts[detection.rule] <= MAX_EXAMPLES:
                examples[detection.rule].append(detection.name)
    return PopularHits(names, counts, examples)


class _OnNames:
    """Detects rules by the name alone, as if the other fields had the values that each rule wants."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        conditions = [relax(rule.condition, _without_other_fields) for rule in rules]
        self._matcher = Predicates(map(converted, conditions))

    def matcher(self) -> Predicates:
        return self._matcher

    def annotation(self, detection: Detection, event: Mapping[str, Any], /) -> Annotation | None:
        return None


def _without_other_fields(match: Match) -> Condition | None:
    return None if match.field == "name" else TRUE


def _names(path: str) -> Iterator[str]:
    with open(path, "rb") as file:
        is_whole = True
        while line := file.readline(MAX_LINE_BYTES):
            begins, is_whole = is_whole, line.endswith(b"\n") or len(line) < MAX_LINE_BYTES
            # A longer line is read in pieces, none of which is a name.
            if begins and is_whole:
                text = line.decode("utf-8", "replace").strip("\ufeff \t\r\n")
                name = text.rpartition(",")[2].strip(' "').strip(".")
                if name and not name.startswith("#"):
                    yield name
