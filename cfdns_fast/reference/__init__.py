"""The conversion in plain Python: the specification that runs, and the oracle for tests of the core.

Data passes the modules in this order:

1. `signatures` rejects input that must be decompressed or decoded first.
2. `formats` detects the input format.
3. `framing`, `delimited` (NDJSON), `documents` (JSON documents) and `rows` (CSV and TSV) cut the input into records.
4. `values` and `timestamps` read the values of a record.
5. `events` builds the event.
6. `matching` and `sliver` look for what the option ``detect`` names.

`explanation` says of one record why its event is what it is.

It shares the mapping, the suffix rules and the result types with the compiled core, but no code that converts. It is
written for reading, not for speed.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import accumulate
from os import PathLike
from typing import Any

from .._core import Rejects
from ..errors import RecordError
from ..mapping import Mapping, load
from ..matching.annotator import Annotator
from ..options import DEFAULT_DATASET, DEFAULT_MAX_RECORD_BYTES, DEFAULT_SCHEMA, Options
from ..results import RAW_LIMIT_BYTES, Detection, Reject, Result
from .events import EventSettings, event_of
from .formats import input_records
from .framing import Record, records
from .matching import Finder
from .signatures import check_signature

__all__ = ["parse", "to_dicts", "to_ndjson"]


def to_dicts(
    data: Any,
    schema: str | PathLike[str] | Mapping = DEFAULT_SCHEMA,
    **options: Any,
) -> Result[list[dict[str, Any]]]:
    """Convert a batch of records to events, as `Normalizer.to_dicts` does.

    Parameters
    ----------
    data : bytes-like
        The input in UTF-8, by default NDJSON: records are JSON objects, lines end at byte 0x0A, blank lines are counted
        and skipped.
    schema : str, os.PathLike or Mapping
        The name of a bundled mapping, the path of a mapping file, or a loaded mapping.
    options
        As for `Normalizer`; `on_reject` has no effect.

    Returns
    -------
    Result
        One event per record, in order. Events share no object with each other or with `data`.

    Raises
    ------
    TypeError
        `data` is a str or not bytes-like.
    ValueError
        An option has an invalid value. MappingError, a ValueError, if the mapping cannot be loaded.
    InputFormatError
        `data` is of a format that is not read, or its format cannot be detected.
    """
    given = Options(**options)
    mapping = schema if isinstance(schema, Mapping) else load(schema, given.dataset)
    given.check_known(mapping.sources)
    if not given.keep_message:
        mapping = mapping.without_raw()
    settings = EventSettings(given.private_suffixes, given.timestamp_unit, mapping.fields, mapping.tree())
    events: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    problems: Counter[str] = Counter()
    detections: list[Detection] = []
    finder = Finder(given.detect, mapping) if given.detect else None
    annotator = Annotator(given.detect) if given.on_detection == "annotate" else None
    blank = 0
    content = _bytes_of(data)
    check_signature(content)
    items = input_records(content, set(mapping.sources), given)
    for found in items:
        if found is None:
            blank += 1
        elif isinstance(found, Reject):
            rejects.append(found)
        else:
            event, record_problems = event_of(found, settings)
            if finder:
                found_here = finder.detections(found, event, len(events))
                if annotator and found_here:
                    event |= annotator.members(found_here, event)
                detections += found_here
            events.append(event)
            problems.update(record_problems)
    return Result(events, len(events), blank, Rejects(rejects), dict(problems), tuple(detections))


def to_ndjson(
    data: Any,
    schema: str | PathLike[str] | Mapping = DEFAULT_SCHEMA,
    **options: Any,
) -> Result[bytes]:
    """Convert as `to_dicts`; the output is NDJSON in UTF-8, one event a line, 0x0A after each, the last too."""
    result = to_dicts(data, schema, **options)
    texts = (json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for event in result.output)
    lines = [text.encode("utf-8", "replace") for text in texts]
    starts = [0, *accumulate(map(len, lines))]
    detections = tuple(each._replace(byte_offset=starts[each.event]) for each in result.detections)
    return Result(b"".join(lines), result.events, result.blank, result.rejects, result.problems, detections)


def parse(
    data: Any, schema: str | PathLike[str] | Mapping = DEFAULT_SCHEMA, *, dataset: str = DEFAULT_DATASET
) -> dict[str, Any]:
    """Convert one record, as `cfdns_fast.parse` does.

    Fields of kind raw hold all of `data`, with its line end and blanks.

    Parameters
    ----------
    data : bytes-like
        One JSON object in UTF-8.
    schema, dataset
        As for `to_dicts`.

    Raises
    ------
    RecordError
        There is no record (record.empty) or more than one (record.multiple), both with the position of all data; or the
        record is rejected.
    InputFormatError, TypeError, ValueError
        As for `to_dicts`.
    """
    mapping = schema if isinstance(schema, Mapping) else load(schema, dataset)
    content = _bytes_of(data)
    check_signature(content)
    found = [record for record in records(content, DEFAULT_MAX_RECORD_BYTES) if record is not None]
    if len(found) != 1:
        code = "record.multiple" if found else "record.empty"
        raise RecordError(1, 0, len(content), code, content[:RAW_LIMIT_BYTES])
    record = found[0]
    if isinstance(record, Reject):
        raise RecordError(record.line, record.byte_offset, record.byte_length, record.code, record.raw)
    # Only space and byte order marks can stand around a single record, so all data is UTF-8.
    whole = Record(content.decode("utf-8"), record.members)
    settings = EventSettings(False, "auto", mapping.fields, mapping.tree())
    return event_of(whole, settings)[0]


def _bytes_of(data: Any) -> bytes:
    if isinstance(data, str):
        raise TypeError("data must be bytes-like, not str: encode it, for example data.encode('utf-8')")
    return bytes(memoryview(data))
