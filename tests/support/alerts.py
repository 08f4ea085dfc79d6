"""Records with query names, and the alerts that they give."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cfdns_fast import Normalizer
from cfdns_fast.detect import Alerts

__all__ = ["NOW_NS", "START_S", "alerts_of", "documents", "nop", "record", "summary"]

#: The time of the first record of tests, at the start of a window of 600 seconds, and the time of the clock.
START_S = 1_790_000_400
NOW_NS = (START_S + 86_400) * 10**9
_BASE32 = "ab1c2d3e4f5g6h7j8k9m0npqrtuvwxyz"


def nop(number: int, nonce: int, parent: str) -> str:
    """Return the name of a NOP of Sliver: the id and 8 bytes of data."""
    data = bytearray([0x10])
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data += bytes([number, 0x32, 8]) + nonce.to_bytes(8, "big")
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(_BASE32[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5)) + f".{parent}"


def record(name: str, second: float | None = 0, **members: Any) -> bytes:
    """Return a record, so many seconds after the first one; None leaves out its time."""
    made: dict[str, Any] = {"QueryName": name, "QueryType": 1, "SourceIP": "192.0.2.7", **members}
    if second is not None:
        made["Timestamp"] = int((START_S + second) * 10**9)
    return json.dumps(made).encode() + b"\n"


def documents(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return lines of NDJSON as dicts."""
    found = list(lines)
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in found)
    return [json.loads(line) for line in found]


def alerts_of(
    detect: Iterable[Any], records: Iterable[bytes], *, schema: str = "ecs", dataset: str = "dns_logs", **options: Any
) -> list[dict[str, Any]]:
    """Return the documents of records that arrive one by one, and of the end of the input."""
    detectors = list(detect)
    normalizer = Normalizer(schema, dataset=dataset, detect=detectors)
    alerts = Alerts(detectors, clock=lambda: NOW_NS, **options)
    made: list[bytes] = []
    for each in records:
        made += alerts.take(normalizer.to_ndjson(each))
    return documents(made + alerts.flush())


def summary(found: Iterable[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Return level, state and count of documents."""
    return [tuple(each["cfdns"]["alert"][name] for name in ("level", "state", "count")) for each in found]  # type: ignore[misc]
