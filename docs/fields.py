"""Write the field reference, docs/fields.md, from the mapping files: ``python docs/fields.py``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from cfdns_fast.mapping import Field, bundled, load
from cfdns_fast.options import DEFAULT_DATASET

PAGE = Path(__file__).with_name("fields.md")

_HEAD = """\
# Fields

Made by `python docs/fields.py` from the mapping files in `cfdns_fast/data`; edit those. What each kind takes, gives and
calls a problem is in [their README](../cfdns_fast/data/README.md#kinds).

The order is the order of the output. A field is absent if its source is absent, null or `""`, or has a problem; what
else makes it absent, and what stands there instead, is in the last column. An object is there only if something is in
it. Of several keys (*else*) the first that has a value is read; of several fields (*otherwise*) the first that gives a
value counts.
"""

_NAME_PARTS = ("registered_domain", "subdomain", "top_level_domain")


def render() -> str:
    """Return the page."""
    parts = [_HEAD]
    schemas = bundled()
    # The defaults first: dns_logs, sekoia.
    for dataset in sorted(schemas, key=lambda name: (name != DEFAULT_DATASET, name)):
        parts.append(f"## {dataset}\n")
        for schema in sorted(schemas[dataset], reverse=True):
            parts += [f"### {dataset}, schema {schema}\n", *_table(dataset, schema), ""]
    return "\n".join(parts)


def _table(dataset: str, schema: str) -> Iterator[str]:
    # The tables of enumerations are known by name in the file only.
    text = (resources.files("cfdns_fast") / "data" / f"{dataset}.{schema}.toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text)["field"]
    rows: dict[str, list[tuple[Field, dict[str, Any]]]] = {}
    for field, entry in zip(load(schema, dataset).fields, entries, strict=True):
        rows.setdefault(field.to, []).append((field, entry))
    yield "| target | type | from | kind | besides |"
    yield "|---|---|---|---|---|"
    for to, alternatives in rows.items():
        cells = (
            f"`{to}`",
            _type(alternatives[0][0]),
            ", otherwise ".join(_source(field) for field, _ in alternatives),
            ", otherwise ".join(_kind(field, entry) for field, entry in alternatives),
            "; ".join(note for field, _ in alternatives for note in _notes(field)),
        )
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _type(field: Field) -> str:
    kind = field.json_class
    if field.kind == "constant" and isinstance(field.value, tuple):
        kind = "list of text"
    return f"list of {kind}" if field.array else kind


def _source(field: Field) -> str:
    if field.kind == "raw":
        return "the record"
    if field.kind == "problems":
        return "the record's problems"
    if field.kind == "constant":
        return ""
    return ", ".join(f"`{to}`" for to in field.of) or ", else ".join(f"`{key}`" for key in field.sources)


def _kind(field: Field, entry: dict[str, Any]) -> str:
    return f"`enum` `{entry['table']}`, `{entry['naming']}`" if field.kind == "enum" else f"`{field.kind}`"


def _notes(field: Field) -> Iterator[str]:
    match field.kind:
        case "raw":
            yield "as sent, without the line end; absent with `keep_message=False`"
        case "constant":
            yield f"always {_shown(field.value)}" if field.if_problem is None else f"{_shown(field.value)}"
        case "problems":
            yield "absent if there are none"
        case "collect":
            yield "each value once; absent if there is none"
        case "name":
            yield "without leading and trailing dots" if field.trim else "as sent"
            if field.keep_root:
                yield "the root is `.`"
            if field.escape:
                yield "what is not printable ASCII is escaped"
        case "enum":
            yield (
                "absent for an unassigned number"
                if field.unassigned is None
                else f"an unassigned number is `{field.unassigned}` and the number"
            )
        case "timestamp":
            yield "nine fraction digits" if field.digits else "six fraction digits, none if they are zero"
        case kind if kind in _NAME_PARTS:
            yield "absent where the name has no such part"
    if field.if_problem is not None:
        yield f"{_shown(field.if_problem)} if the record has a problem"
    if field.if_true is not None:
        yield f"`{field.if_true}` for true, `{field.if_false}` for false"
    if field.required:
        yield "its absence is the problem `field.missing`"
    if field.members:
        yield f"each with {', '.join(f'`{member}`' for member in field.members)}"
    if field.list or field.kind == "objects":
        yield "elements that cannot be used are left out"
        yield "`[]` if none is left" if field.keep_empty else "absent if none is left"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"`[{', '.join(_shown(item).strip('`') for item in value)}]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{str(value).lower()}`"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
