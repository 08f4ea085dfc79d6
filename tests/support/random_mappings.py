"""Random mappings with several sources, readings and kinds, and random records for these mappings."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfdns_fast import MappingError, Normalizer

#: Number of random mappings, set by CFDNS_MAPPINGS, and their seed, set by CFDNS_MAPPINGS_SEED.
COUNT = int(os.environ.get("CFDNS_MAPPINGS", "400"))
SEED = int(os.environ.get("CFDNS_MAPPINGS_SEED", "20261127"))

#: The bundled mappings of a quick run.
QUICK_BUNDLED = [("sekoia", "dns_logs"), ("ecs", "gateway_dns")]
BUNDLED = [
    (schema, dataset)
    for schema in ("sekoia", "ecs", "ocsf")
    for dataset in ("dns_logs", "dns_firewall_logs", "gateway_dns")
]

KEYS = "ABCDEFGH"

#: Name -> further keys of a field of that kind.
KINDS: dict[str, dict[str, Any]] = {
    "text": {},
    "texts": {"kind": "text", "list": True},
    "integer": {},
    "integers": {"kind": "integer", "list": True, "keep_empty": True},
    "boolean": {},
    "named boolean": {"kind": "boolean", "if_true": 'tcp"', "if_false": "ud\\p"},
    "timestamp": {},
    "nine digits": {"kind": "timestamp", "digits": 9},
    "milliseconds": {"kind": "timestamp", "epoch": "ms"},
    "ip": {},
    "ips": {"kind": "ip", "list": True},
    "ips in objects": {"kind": "ip", "list": True, "member": 'a"é'},
    "name": {},
    "name with dots": {"kind": "name", "trim": False},
    "name in ASCII": {"kind": "name", "keep_root": True, "escape": True},
    "registered_domain": {},
    "subdomain": {},
    "top_level_domain": {},
    "enum": {"table": "rr_type", "naming": "standard"},
    "enum of numbers": {"kind": "enum", "table": "rcode", "naming": "ocsf_id", "default": -1},
    "enum with a default": {"kind": "enum", "table": "rcode", "naming": "ocsf", "default": 'x"é'},
    "numbered boolean": {"kind": "boolean", "if_true": 6, "if_false": 17},
    "unassigned enum": {"kind": "enum", "table": "rcode", "naming": "sekoia", "unassigned": 'x"é'},
    "objects": {"members": ["m", "é"]},
}
COLLECTED = ("text", "ip", "name", "registered_domain", "subdomain", "top_level_domain")

#: Texts as JSON writes them between quotes.
TEXTS = ["", ".", "..", "com", "co.uk", "www.example.co.uk.", "EXAMPLE.COM", "x.city.kawasaki.jp", "a..b", "é.fr"]
TEXTS += ["a\\u002ecom", "a.com\\u0000", "xn--fiqs8s", "a.中国", "x" * 63 + ".com", "a." * 31 + "co", "a\\\\.b.com"]
TEXTS += ["1.2.3.4", "::1", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "true", "0", "1", "-0", "007", "-1", "12345678"]
TEXTS += ["123456789", "9223372036854775807", "9223372036854775808", "65535", "65536", "1657233726004000000"]
TEXTS += ["2022-07-07T22:42:06.5Z", "\\n", "\\u00e9", '\\"', "\\\\", '\\",\\"', "x" * 300, "\\n" * 50]
NUMBERS = ["0", "1", "-0", "-1", "16", "255", "65535", "65536", "12345678", "99999999", "123456789", "1e0", "1.0"]
NUMBERS += ["9223372036854775807", "9223372036854775808", "-9223372036854775809", "1E400", "1657233726"]
NUMBERS += ["1657233726004000000", "1657233726004000001", "-1657233726004000000", "00", "+1"]


def mapping(pick: random.Random) -> str:
    """Return the text of a mapping file, which may be invalid."""
    fields: list[dict[str, Any]] = []
    for number in range(pick.randint(1, 10)):
        kind = pick.choice(list(KINDS))
        sources = pick.sample(KEYS, pick.choice([1, 1, 1, 2, 3]))
        # Fields often share the sources of the field before.
        sources = fields[-1]["from"] if fields and pick.random() < 0.4 else sources
        field = {"from": sources, "to": f"{pick.choice(['a', 'b.c', 'd.e.f'])}.t{number}", "kind": kind, **KINDS[kind]}
        if pick.random() < 0.2:
            field["required"] = True
        if pick.random() < 0.2 and "list" not in field and "members" not in field:
            field["array"] = True
        fields.append(field)
    collected = [field["to"] for field in fields if field["kind"] in COLLECTED and not field.keys() & {"array", "list"}]
    if collected and pick.random() < 0.5:
        fields.append({"to": "related.all", "kind": "collect", "of": collected[:3]})
    observed = [field["to"] for field in fields if field["kind"] in ("ip", "name")]
    if observed and pick.random() < 0.5:
        fields.append({"to": 'seen.é"', "kind": "observables", "of": observed[-3:]})
    if pick.random() < 0.3:
        fields.append({"to": "error.message", "kind": "problems"})
    if pick.random() < 0.5:
        fields.append({"to": "message", "kind": "raw"})
    lines = ['schema = "x"\ndataset = "y"\nsource = "z"']
    for field in fields:
        lines.append("[[field]]")
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in field.items()]
    return "\n".join(lines)


def normalizers(pick: random.Random, folder: Path, count: int) -> Iterator[tuple[Normalizer, Path]]:
    """Yield a normalizer and its file for each valid one of `count` random mappings."""
    path = folder / "mapping.toml"
    for _ in range(count):
        path.write_text(mapping(pick), encoding="utf-8")
        try:
            yield Normalizer(path), path
        except MappingError:
            continue


def value(pick: random.Random, depth: int = 0) -> str:
    """Return a value as JSON, which is sometimes invalid."""
    chance = pick.random()
    if chance < 0.45:
        return f'"{pick.choice(TEXTS)}"'
    if chance < 0.7:
        return pick.choice(NUMBERS[:-2] if pick.random() < 0.98 else NUMBERS)
    if chance < 0.8 or depth == 2:
        return pick.choice(["true", "false", "null"])
    if chance < 0.95:
        return f"[{','.join(value(pick, depth + 1) for _ in range(pick.choice([0, 1, 1, 2, 3])))}]"
    members = (f'"{pick.choice(["m", "é", "z"])}":{value(pick, depth + 1)}' for _ in range(pick.choice([0, 1, 2])))
    return f"{{{','.join(members)}}}"


def record(pick: random.Random, keys: str | list[str]) -> str:
    """Return a record of some keys, in any order and also repeated, or sometimes a reject."""
    if pick.random() < 0.03:
        return pick.choice(["", "oops", "[1]", '{"A":"\\ud800"}'])
    members = (f'"{pick.choice(keys)}":{value(pick)}' for _ in range(pick.choice([0, 1, 2, 3, 5, 8])))
    return f"{{{','.join(members)}}}"


def batch(pick: random.Random, keys: str | list[str]) -> bytes:
    """Return a few records, one per line."""
    return "\n".join(record(pick, keys) for _ in range(pick.randint(1, 12))).encode()
