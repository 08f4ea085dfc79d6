"""All faults of a mapping file, and warnings of what is allowed and may be a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple

from .. import MappingError
from ..mapping import Mapping, bundled, load, read_mapping
from ..mapping.parser import check_mapping
from ..mapping.positions import Positions, positions_of

__all__ = ["Findings", "check_content", "check_file"]


class Findings(NamedTuple):
    """What a check found.

    Attributes
    ----------
    mapping : Mapping or None
        The mapping; None if there are faults.
    faults : tuple of MappingError
        What a `Normalizer` refuses, in the order of the lines.
    warnings : tuple of MappingError
        What it accepts, in the order of the lines. Only a file without faults has warnings.
    """

    mapping: Mapping | None
    faults: tuple[MappingError, ...]
    warnings: tuple[MappingError, ...] = ()


def check_file(path: str) -> Findings:
    """Return what is wrong with a mapping file. A file that cannot be read has one fault."""
    try:
        content = read_mapping(path)
    except MappingError as error:
        return Findings(None, (error,))
    return check_content(content, path)


def check_content(content: bytes, file: str) -> Findings:
    """Return what is wrong with the content of a mapping file; `file` is its name in messages."""
    mapping, faults = check_mapping(content, file)
    if mapping is None:
        return Findings(None, faults)
    return Findings(mapping, (), tuple(_warnings(mapping, positions_of(content.decode("utf-8-sig")))))


def _warnings(mapping: Mapping, positions: Positions) -> Iterator[MappingError]:
    datasets = bundled()
    line = positions.keys.get("dataset")
    if mapping.dataset and mapping.dataset not in datasets:
        reason = f"no such dataset of DNS logs: {mapping.dataset!r}; known: {', '.join(datasets)}"
        yield MappingError(mapping.file, "dataset", reason, line=line)
    named = [mapping.dataset] if mapping.dataset in datasets else list(datasets)
    known = {key for dataset in named for schema in datasets[dataset] for key in load(schema, dataset).sources}
    for number, field in enumerate(mapping.fields, 1):
        # A further name is for records with renamed keys, so one known name is enough.
        if not field.sources or not known.isdisjoint(field.sources):
            continue
        words = f"{' and '.join(named)} {'has' if len(named) == 1 else 'have'}"
        advice = next(filter(None, (_advice(key, known) for key in field.sources)), "")
        reason = f"{words} no key {' or '.join(map(repr, field.sources))}{advice}"
        yield MappingError(mapping.file, f"field {number} ({field.to})", reason, line=positions.line_of(number, "from"))


def _advice(key: str, known: set[str]) -> str:
    """Return a question with the closest known key, also in another case; empty if none is close."""
    by_lower_case = {name.lower(): name for name in sorted(known)}
    close = get_close_matches(key.lower(), by_lower_case, n=1, cutoff=0.75)
    return f"; did you mean {by_lower_case[close[0]]}?" if close else ""
