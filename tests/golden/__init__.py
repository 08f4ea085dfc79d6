"""Reads the golden cases of this folder. README.md describes their format."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["CASES", "CONSTANTS", "INPUTS", "INTAKE_SAMPLES", "SPLITS", "Case", "ExpectedReject", "Split", "flatten"]

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

_MISSING = "field.missing:Timestamp"
_UNKNOWN = "record.unknown"


@dataclass(frozen=True)
class ExpectedReject:
    line: int
    offset: int
    length: int
    code: str


@dataclass(frozen=True)
class Case:
    """One input and its complete result. `events` are flattened, without the constants and `message`."""

    topic: str
    name: str
    rule: str
    data: bytes
    options: dict[str, Any] = field(default_factory=dict)
    events: tuple[dict[str, Any], ...] = ()
    messages: tuple[str, ...] | None = None
    rejects: tuple[ExpectedReject, ...] = ()
    blank: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    ndjson: bytes | None = None

    @property
    def id(self) -> str:
        readable = "".join(c if c.isprintable() and c.isascii() else "?" for c in self.name)
        return f"{self.topic}: {readable[:70]}"


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


def flatten(event: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return `{"a.b": value}` for `{"a": {"b": value}}`; a dot within a key is not escaped."""
    flat: dict[str, Any] = {}
    for key, value in event.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _bytes(written: Any) -> bytes:
    """Join the parts of an input: text, `{hex = "ff"}`, `{repeat = "[", times = 256}`, or a list of these."""
    if isinstance(written, list):
        return b"".join(map(_bytes, written))
    if isinstance(written, str):
        return written.encode()
    if "hex" in written:
        return bytes.fromhex(written["hex"])
    return _bytes(written["repeat"]) * written["times"]


def _text(written: Any) -> str:
    return _bytes(written).decode()


def _only(entry: dict[str, Any], *allowed: str) -> None:
    unknown = set(entry) - set(allowed)
    assert not unknown, f"golden entry {entry.get('name')!r} holds unknown keys {sorted(unknown)}"


def _problems(events: tuple[dict[str, Any], ...]) -> dict[str, int]:
    counts = {_MISSING: sum("@timestamp" not in event for event in events), _UNKNOWN: events.count({})}
    return {key: count for key, count in counts.items() if count}


def _whole_case(topic: str, entry: dict[str, Any]) -> Case:
    _only(entry, "name", "rule", "input", "options", "events", "messages", "rejects", "blank", "problems", "ndjson")
    events = tuple(entry.get("events", ()))
    messages = entry.get("messages")
    return Case(
        topic=topic,
        name=entry["name"],
        rule=entry["rule"],
        data=_bytes(entry["input"]),
        options=entry.get("options", {}),
        events=events,
        messages=None if messages is None else tuple(map(_text, messages)),
        rejects=tuple(ExpectedReject(**reject) for reject in entry.get("rejects", ())),
        blank=entry.get("blank", 0),
        problems=entry.get("problems", _problems(events)),
        ndjson=entry["ndjson"].encode() if "ndjson" in entry else None,
    )


def _value_cases(topic: str, table: dict[str, Any]) -> Iterator[Case]:
    _only(table, "name", "rule", "source", "targets", "lists", "options", "rows")
    source = table["source"]
    for written, expected in table["rows"]:
        token = _bytes(written)
        record = b'{"%s":%s}' % (source.encode(), token)
        event: dict[str, Any] = {}
        problems: dict[str, int] = {}
        if isinstance(expected, dict) and "problem" in expected:
            problems[f"{expected['problem']}:{source}"] = 1
        elif not isinstance(expected, dict) or "repeat" in expected:
            value = _text(expected) if isinstance(expected, dict) else expected
            event.update({target: value for target in table["targets"]})
            event.update({target: [value] for target in table.get("lists", ())})
        if source != "Timestamp":
            problems[_MISSING] = 1
        yield Case(
            topic=topic,
            name=f"{table['name']} {token[:60].decode('utf-8', 'replace')}",
            rule=table["rule"],
            data=record,
            options=table.get("options", {}),
            events=(event,),
            messages=(record.decode(),),
            problems=problems,
        )


def _rejected_cases(topic: str, table: dict[str, Any]) -> Iterator[Case]:
    _only(table, "name", "rule", "code", "options", "rows")
    good = b'{"ColoCode":"AMS"}'
    for written in table["rows"]:
        line = _bytes(written)
        yield Case(
            topic=topic,
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
        line = _bytes(written)
        yield Case(
            topic=topic,
            name=f"{table['name']} {line[:50].decode('utf-8', 'replace')}",
            rule=table["rule"],
            data=line + b"\n",
            events=({},),
            messages=(line.decode(),),
            problems={_MISSING: 1, _UNKNOWN: 1},
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
        name=split.name,
        rule=split.rule,
        data=record.encode(),
        options={"private_suffixes": True} if split.private_suffixes else {},
        events=(event,),
        messages=(record,),
        problems={_MISSING: 1},
    )


def _read() -> tuple[tuple[Case, ...], tuple[Split, ...]]:
    cases: list[Case] = []
    splits: list[Split] = []
    for path in sorted(_FOLDER.glob("*.toml")):
        topic = path.stem
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        _only(document, "case", "values", "rejected", "accepted", "names")
        cases += [_whole_case(topic, entry) for entry in document.get("case", ())]
        for table in document.get("values", ()):
            cases += _value_cases(topic, table)
        for table in document.get("rejected", ()):
            cases += _rejected_cases(topic, table)
        for table in document.get("accepted", ()):
            cases += _accepted_cases(topic, table)
        for table in document.get("names", ()):
            for split, kept in _splits(table):
                splits.append(split)
                cases.append(_name_case(topic, split, kept))
    return tuple(cases), tuple(splits)


CASES, SPLITS = _read()

#: The samples of the intake page, unchanged.
INTAKE_SAMPLES: list[dict[str, Any]] = json.loads((_FOLDER / "intake_page.json").read_text(encoding="utf-8"))

#: Every golden input once, for the tests that mutate them or run them elsewhere.
INPUTS: tuple[bytes, ...] = tuple(
    dict.fromkeys([case.data for case in CASES] + [sample["message"].encode() for sample in INTAKE_SAMPLES])
)
#: All golden inputs in one batch.
ALL_GOLDEN = b"\n".join(INPUTS)
