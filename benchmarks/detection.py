"""Detection beside the conversion: what is looked for, and the detections of a corpus that are right.

The indicators are random names, besides `PLANTED` names of the corpora whose domains occur once. The rules are made up,
with the constructs of the 28 DNS rules of SigmaHQ that query logs can answer (`tests/corpus/README.md`). Timed corpora
hold no message of Sliver and no name of a rule; the checks add some.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from cfdns_fast import Detection, Normalizer, reference
from cfdns_fast.detect import Rules, Sliver
from cfdns_fast.domains import split_domain
from cfdns_fast.matching import NameTable, NameTableBuilder

RULES = Path(__file__).parents[1] / "tests" / "corpus" / "sigma" / "dns_rules.yml"
#: Number of names of each corpus that are indicators.
PLANTED = 10
#: How often the table of two million names is built.
_BUILDS = 3
#: Maximum number of records of a corpus that the reference looks at, besides those with a planted name.
_REFERENCE_RECORDS = 1_000
_SUFFIXES = ("com", "net", "info", "xyz", "co.uk", "top", "ru", "org", "de", "shop", "online", "site")
_HOSTS = ("www", "cdn", "mail", "login", "update", "api")
#: Messages of Sliver, and names that rules of `RULES` match.
_EXTRA_NAMES = (
    "baakb968ww3a.ns1.example.com",
    "babkb7g1ta8abcdefgh2.example.com",
    "baa8.1.example.com",
    "x.lilukor-suzo.deww",
    "a.gel.molipukelpel.linkk.example",
)


def plain_list(numbers: range) -> bytes:
    """Return a plain list of different random names, one for each number, with 18 characters on average."""
    lines = []
    for number in numbers:
        # An odd constant makes the digits of consecutive numbers look random, and keeps them different.
        digits = f"{number * 0x9E3779B97F4A7C15 % (1 << 64) >> 16:012x}"
        suffix = _SUFFIXES[number % len(_SUFFIXES)]
        host = f"{_HOSTS[number % len(_HOSTS)]}." if number % 4 == 3 else ""
        lines.append(f"{host}{digits}.{suffix}\n")
    return "".join(lines).encode()


def query_names(data: bytes) -> list[str]:
    """Return the query name of each record."""
    return [json.loads(line)["QueryName"].strip(".").lower() for line in data.splitlines()]


def planted(data: bytes) -> list[str]:
    """Return names of the corpus whose registered domains occur once, spread over it.

    All names below the registered domain of an indicator pass the screen, so names of frequent domains would make this
    a corpus of domains that feeds know.
    """
    names = query_names(data)
    domains = [split_domain(name).registered_domain for name in names]
    counts = Counter(domains)
    once = [name for name, domain in zip(names, domains, strict=True) if domain and counts[domain] == 1]
    return once[:: max(1, len(once) // PLANTED)][:PLANTED]


class Names:
    """A table of indicators as an object for the option ``detect``, and what of it the reference needs.

    Parameters
    ----------
    lines : bytes
        The plain list.
    """

    def __init__(self, lines: bytes) -> None:
        self._lines = lines
        self._table = table_of(lines)

    def matcher(self) -> NameTable:
        return self._table

    def annotation(self, detection: Detection, event: Any) -> None:
        return None

    def for_names(self, names: Iterable[str]) -> Names:
        """Return a table with only those rows that can match the names. The reference reads tables row by row."""
        parents = {parent for name in names for parent in _parents(name)}
        return Names(b"".join(line + b"\n" for line in self._lines.splitlines() if line.decode() in parents))


def build_outcomes(lines: bytes) -> list[dict[str, Any]]:
    """Build a table of two million names `_BUILDS` times, and return the outcomes of its time and its memory."""
    seconds = []
    for _ in range(_BUILDS):
        start = time.process_time()
        table = table_of(lines)
        seconds.append(time.process_time() - start)
    median = statistics.median(seconds)
    megabytes = table.memory_bytes / 1e6
    return [
        _outcome("build_of_2m_names", "s", 3, round(median, 2), round(min(seconds), 2), round(max(seconds), 2)),
        _outcome("memory_of_2m_names", "MB", 64, *3 * [round(megabytes, 1)]),
    ]


def _outcome(name: str, unit: str, required: float, value: float, low: float, high: float) -> dict[str, Any]:
    """Return an outcome as `targets.judge` does, for a figure that is no comparison of contenders."""
    reached = value <= required
    return {
        "name": name,
        "value": value,
        "required": required,
        "pass": reached,
        "direction": "at most",
        "stage": "now",
        "unit": unit,
        "low": low,
        "high": high,
    }


def table_of(lines: bytes) -> NameTable:
    """Return the table of a plain list."""
    builder = NameTableBuilder()
    builder.add_lines(lines)
    return builder.build()


def _parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.partition(".")[2]


@lru_cache(maxsize=1)
def rules() -> Rules:
    """Return the 28 rules. Raises ImportError without the extra ``detect``."""
    return Rules.load(RULES)


def sliver() -> Sliver:
    return Sliver()


def wrong_detections(data: bytes, detectors: Sequence[Any]) -> int:
    """Return the number of wrong detections of a corpus: compared with the reference, of some records and of `_extra`.

    Detections at all other records are wrong too: the reference looks at all records whose name has an indicator.
    """
    lines = [*data.splitlines(keepends=True), *_extra(data)]
    names = query_names(b"".join(lines))
    smaller = [each.for_names(names) if isinstance(each, Names) else each for each in detectors]
    step = max(1, len(lines) // _REFERENCE_RECORDS)
    indicators = {name for each in smaller if isinstance(each, Names) for _, name, _, _ in each.matcher().rows()}
    chosen = [
        number
        for number, name in enumerate(names)
        if number % step == 0 or number >= len(lines) - len(_EXTRA_NAMES) or not indicators.isdisjoint(_parents(name))
    ]
    found = Normalizer(detect=detectors).to_ndjson(b"".join(lines)).detections
    right = reference.to_ndjson(b"".join(lines[number] for number in chosen), detect=smaller).detections
    wanted = Counter((chosen[each.event], *_found(each)) for each in right)
    got = Counter((each.event, *_found(each)) for each in found)
    return sum((wanted - got).values()) + sum((got - wanted).values())


def _found(detection: Detection) -> tuple[object, ...]:
    # The number of a row depends on the table.
    rule = None if isinstance(detection.by, NameTable) else detection.rule
    return detection.matcher, rule, detection.detail, detection.start, detection.name


def _extra(data: bytes) -> Iterator[bytes]:
    record = json.loads(data.splitlines()[0])
    for name in _EXTRA_NAMES:
        yield json.dumps({**record, "QueryName": name}).encode() + b"\n"
