"""Reads the golden cases of this folder. README.md describes their format."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from cfdns_fast import mapping_tools
from cfdns_fast.mapping_tools import Defaults, ExpectedReject
from cfdns_fast.mapping_tools.case_entries import input_bytes, value_cases, whole_case
from cfdns_fast.mapping_tools.flatten import flatten

__all__ = [
    "CASES",
    "CONSTANTS",
    "DEFAULTS",
    "DETECTIONS",
    "INPUTS",
    "INTAKE_SAMPLES",
    "SPLITS",
    "Case",
    "DetectionCase",
    "Split",
    "flatten",
]

_FOLDER = Path(__file__).parent

#: The constants of every event of schema "sekoia", flattened.
CONSTANTS = {
    "event.category": ["network"],
    "event.dataset": "dns_logs",
    "event.kind": "event",
    "event.type": ["info"],
    "observer.type": "dns",
    "observer.vendor": "Cloudflare",
}

#: What the cases need not write: the constants, and the raw record.
DEFAULTS = Defaults(mapping_tools.load_named("sekoia"))

_MISSING = "field.missing:Timestamp"
_UNKNOWN = "record.unknown"


@dataclass(frozen=True)
class Case(mapping_tools.Case):
    """A case of these files; `topic` is the name of its file."""

    topic: str = ""

    @property
    def id(self) -> str:
        readable = "".join(c if c.isprintable() and c.isascii() else "?" for c in self.name)
        return f"{self.topic}: {readable[:70]}"


@dataclass(frozen=True)
class DetectionCase:
    """What is found in one input. `found` has the members of detections that are not the default, and `added` the
    flattened members that an annotation adds to each event.
    """

    name: str
    rule: str
    data: bytes
    options: dict[str, Any]
    sliver: bool
    feed: str | None
    allow: str | None
    load: dict[str, Any]
    rules: str | None
    found: tuple[dict[str, Any], ...]
    added: tuple[dict[str, Any], ...] | None


@dataclass(frozen=True)
class Split:
    """A name and its parts, None where absent."""

    rule: str
    name: str
    private_suffixes: bool
    top_level_domain: str | None
    registered_domain: str | None
    subdomain: str | None

    @property
    def id(self) -> str:
        return ascii(self.name)[1:-1][:70]


def _only(entry: dict[str, Any], *allowed: str) -> None:
    unknown = set(entry) - set(allowed)
    assert not unknown, f"golden entry {entry.get('name')!r} holds unknown keys {sorted(unknown)}"


def _of_topic(topic: str, cases: Iterable[mapping_tools.Case]) -> Iterator[Case]:
    for case in cases:
        assert case.rule, f"golden entry {case.name!r} has no rule"
        yield Case(**{each.name: getattr(case, each.name) for each in fields(case)}, topic=topic)


def _rejected_cases(topic: str, table: dict[str, Any]) -> Iterator[Case]:
    _only(table, "name", "rule", "code", "options", "rows")
    good = b'{"ColoCode":"AMS"}'
    for written in table["rows"]:
        line = input_bytes(written)
        yield Case(
            topic=topic,
            line=0,
            name=f"{table['code']} {table['name']} {line[:50].decode('utf-8', 'replace')}",
            rule=table["rule"],
            data=good + b"\n" + line + b"\r\n" + good + b"\n",
            options=table.get("options", {}),
            events=({"cloudflare.ColoCode": "AMS"},) * 2,
            messages=(good.decode(),) * 2,
            rejects=(ExpectedReject(2, len(good) + 1, len(line), table["code"]),),
            problems={_MISSING: 2},
        )


def _accepted_cases(topic: str, table: dict[str, Any]) -> Iterator[Case]:
    _only(table, "name", "rule", "rows")
    for written in table["rows"]:
        line = input_bytes(written)
        yield Case(
            topic=topic,
            line=0,
            name=f"{table['name']} {line[:50].decode('utf-8', 'replace')}",
            rule=table["rule"],
            data=line + b"\n",
            events=({},),
            messages=(line.decode(),),
            problems={_MISSING: 1, _UNKNOWN: 1},
        )


def _detection_case(entry: dict[str, Any]) -> DetectionCase:
    _only(entry, "name", "rule", "input", "options", "sliver", "feed", "allow", "load", "rules", "found", "added")
    return DetectionCase(
        name=entry["name"],
        rule=entry["rule"],
        data=input_bytes(entry["input"]),
        options=entry.get("options", {}),
        sliver=entry.get("sliver", False),
        feed=entry.get("feed"),
        allow=entry.get("allow"),
        load=entry.get("load", {}),
        rules=entry.get("rules"),
        found=tuple(entry.get("found", ())),
        added=tuple(entry["added"]) if "added" in entry else None,
    )


def _splits(table: dict[str, Any]) -> Iterator[tuple[Split, str]]:
    _only(table, "name", "rule", "private_suffixes", "rows")
    for row in table["rows"]:
        _only(row, "name", "kept", "top", "registered", "sub")
        split = Split(
            rule=table["rule"],
            name=row["name"],
            private_suffixes=table.get("private_suffixes", False),
            top_level_domain=row.get("top"),
            registered_domain=row.get("registered"),
            subdomain=row.get("sub"),
        )
        yield split, row.get("kept", row["name"])


def _name_case(topic: str, split: Split, kept: str) -> Case:
    event: dict[str, Any] = {}
    if kept:
        event = {"dns.question.name": kept, "related.hosts": [kept]}
    for part in ("top_level_domain", "registered_domain", "subdomain"):
        if getattr(split, part) is not None:
            event[f"dns.question.{part}"] = getattr(split, part)
    record = json.dumps({"QueryName": split.name}, ensure_ascii=False)
    return Case(
        topic=topic,
        line=0,
        name=split.name,
        rule=split.rule,
        data=record.encode(),
        options={"private_suffixes": True} if split.private_suffixes else {},
        events=(event,),
        messages=(record,),
        problems={_MISSING: 1},
    )


def _read() -> tuple[tuple[Case, ...], tuple[Split, ...], tuple[DetectionCase, ...]]:
    cases: list[Case] = []
    splits: list[Split] = []
    detections: list[DetectionCase] = []
    for path in sorted(_FOLDER.glob("*.toml")):
        topic = path.stem
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        _only(document, "case", "values", "rejected", "accepted", "names", "detection")
        detections += map(_detection_case, document.get("detection", ()))
        for read, name in ((whole_case, "case"), (value_cases, "values")):
            for table in document.get(name, ()):
                cases += _of_topic(topic, read(table, 0, DEFAULTS))
        for table in document.get("rejected", ()):
            cases += _rejected_cases(topic, table)
        for table in document.get("accepted", ()):
            cases += _accepted_cases(topic, table)
        for table in document.get("names", ()):
            for split, kept in _splits(table):
                splits.append(split)
                cases.append(_name_case(topic, split, kept))
    return tuple(cases), tuple(splits), tuple(detections)


CASES, SPLITS, DETECTIONS = _read()

#: The samples of the intake page, unchanged.
INTAKE_SAMPLES: list[dict[str, Any]] = json.loads((_FOLDER / "intake_page.json").read_text(encoding="utf-8"))

#: Every golden input once, for the tests that mutate them or run them elsewhere.
INPUTS: tuple[bytes, ...] = tuple(
    dict.fromkeys([case.data for case in CASES] + [sample["message"].encode() for sample in INTAKE_SAMPLES])
)
#: All golden inputs in one batch.
ALL_GOLDEN = b"\n".join(INPUTS)
