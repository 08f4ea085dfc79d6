"""Write cases from records: what a mapping makes of them now is what they expect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from os import PathLike
from typing import Any

from .. import Normalizer
from ..mapping import load
from ..options import DEFAULT_DATASET, DEFAULT_MAX_RECORD_BYTES, FIELD_DELIMITERS, Options
from ..reference.formats import detect_format, input_records
from ..reference.framing import Record
from ..reference.rows import Rows
from .case import Defaults
from .flatten import flatten

__all__ = ["written_cases"]


def written_cases(data: bytes, schema: str | PathLike[str], dataset: str = DEFAULT_DATASET) -> Iterator[str]:
    """Yield a ``[[case]]`` entry for each record of an input; rejects are left out.

    Parameters
    ----------
    data : bytes
        The input; its format is detected.
    schema, dataset
        As for `Normalizer`.

    Raises
    ------
    InputFormatError
        The format is not read, or cannot be detected.
    MappingError, TypeError, ValueError
        As for `Normalizer`.
    """
    mapping = load(schema, dataset)
    known = set(mapping.sources)
    input_format = detect_format(data, known, None, b"", DEFAULT_MAX_RECORD_BYTES)
    items = input_records(data, known, Options(schema=schema, dataset=dataset, input_format=input_format))
    texts = (item.text for item in items if isinstance(item, Record))
    if input_format in FIELD_DELIMITERS:
        # A row has its meaning by the header, and may hold newlines.
        rows = Rows(data, FIELD_DELIMITERS[input_format], DEFAULT_MAX_RECORD_BYTES)
        header = next(row.raw.decode("utf-8") for row in rows if row.cells is not None)
        inputs = (f"{header}\n{text}" for text in texts)
        options: dict[str, Any] = {"input_format": input_format}
    else:
        # A newline in a record is white space; a case is NDJSON.
        inputs = (text.replace("\n", " ") for text in texts)
        options = {}
    normalizer = Normalizer(schema, dataset=dataset, **options)
    defaults = Defaults(mapping)
    for number, text in enumerate(inputs, 1):
        yield _written_case(number, text, options, normalizer, defaults)


def _written_case(number: int, text: str, options: dict[str, Any], normalizer: Normalizer, defaults: Defaults) -> str:
    result = normalizer.to_dicts(text.encode("utf-8"))
    events = []
    for made in result.output:
        left_out = {*defaults.raw, *defaults.by_problem, *defaults.constants}
        events.append({to: value for to, value in flatten(made).items() if to not in left_out})
    lines = ["[[case]]", f'name = "record {number}"', f"input = {_toml(text)}"]
    if options:
        lines.append(f"options = {_toml(options)}")
    lines += ["events = [", *(f"  {_toml(event)}," for event in events), "]"]
    if result.problems != defaults.problems(tuple(events)):
        lines.append(f"problems = {_toml(result.problems)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Return a value of an event as TOML on one line."""
    if isinstance(value, dict):
        members = ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items())
        return f"{{ {members} }}" if members else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    # A string of JSON is a string of TOML, except that TOML refuses a raw DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
