"""The counts of one batch of events. This is the part that threads do side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .arrow_library import compute, floor_divided, pyarrow, text_array, whole, whole_array
from .columns import CACHED, CLIENT, CODE, DOMAIN, EDNS, NAME, PROBLEMS, TIME, TOPS, texts
from .domain_columns import with_domains
from .event_times import nanoseconds_of

__all__ = ["NXDOMAIN", "BatchCounts", "count_batch", "count_batches"]

_NS_PER_S = 10**9
NXDOMAIN = "NXDOMAIN"

_NO_TEXT = text_array(())
_NO_COUNT = whole_array(())
_EMPTY = text_array(("",))[0]


@dataclass(slots=True)
class BatchCounts:
    """The counts of one batch.

    Attributes
    ----------
    rows : int
    tops : dict
        For each field of `columns.TOPS`, an array of values and one of counts.
    with_value : dict
        For each of these fields, the number of events that have a value.
    interval_s : int
        The interval of `times`.
    times : list of (int, str or None, int)
        The number of the interval since 1970, the response code and the number of events.
    without_time : int
        The number of events without a time.
    nxdomain : tuple of arrays
        Registered domains, names and counts of the answers NXDOMAIN; the domain is empty if there is none.
    nxdomain_total : int
    cached, families, edns : dict of str to int
        As `Summary` has them.
    problems : list of (str, int)
        Texts of ``error.message``, and their numbers.
    """

    rows: int
    tops: dict[str, tuple[Any, Any]]
    with_value: dict[str, int]
    interval_s: int
    times: list[tuple[int, str | None, int]]
    without_time: int
    nxdomain: tuple[Any, Any, Any]
    nxdomain_total: int
    cached: dict[str, int]
    families: dict[str, int]
    edns: dict[str, int]
    problems: list[tuple[str, int]]


def count_batches(
    rows: int, batches: list[dict[str, Any]], interval_s: int, *, private_suffixes: bool = False
) -> BatchCounts:
    """Count batches of one mapping, which have the same columns, as one batch of `rows` events."""
    if len(batches) == 1 or not batches[0]:
        return count_batch(rows, batches[0], interval_s, private_suffixes=private_suffixes)
    columns = [pyarrow.chunked_array([each[field] for each in batches]) for field in batches[0]]
    joined = pyarrow.Table.from_arrays(columns, names=list(batches[0])).unify_dictionaries()
    by_field = dict(zip(joined.column_names, joined.columns, strict=True))
    return count_batch(rows, by_field, interval_s, private_suffixes=private_suffixes)


def count_batch(rows: int, columns: dict[str, Any], interval_s: int, *, private_suffixes: bool = False) -> BatchCounts:
    """Count a batch.

    Parameters
    ----------
    rows : int
        The number of events.
    columns : dict
        Arrays by field, of `columns.columns_of`; fields may be missing.
    interval_s : int
        The length of the intervals of time in seconds.
    private_suffixes : bool
        As `Normalizer`; for names whose domains must be split.
    """
    columns = with_domains(columns, private_suffixes=private_suffixes)
    tops = {field: _counts_of(field, columns.get(field)) for field in TOPS}
    codes = _coded(columns.get(CODE), rows)
    nxdomain, nxdomain_total = _nxdomain(columns, codes)
    times, without_time = _times(columns.get(TIME), codes, rows, interval_s * _NS_PER_S)
    edns = 0 if EDNS not in columns else rows - columns[EDNS].null_count
    return BatchCounts(
        rows=rows,
        tops=tops,
        with_value={field: rows - columns[field].null_count if field in columns else 0 for field in TOPS},
        interval_s=interval_s,
        times=times,
        without_time=without_time,
        nxdomain=nxdomain,
        nxdomain_total=nxdomain_total,
        cached=_cached(columns.get(CACHED), rows),
        families=_families(*tops[CLIENT], rows),
        edns={"yes": edns, "no": rows - edns},
        problems=_problems(columns.get(PROBLEMS)),
    )


def _value_counts(column: Any) -> tuple[Any, Any]:
    """Return the different values of a column without null, and their counts."""
    found = compute.value_counts(column)
    values, counts = found.field("values"), found.field("counts")
    if values.null_count:
        is_valid = values.is_valid()
        values, counts = values.filter(is_valid), counts.filter(is_valid)
    return values, counts


def _counts_of(field: str, column: Any) -> tuple[Any, Any]:
    if column is None:
        return _NO_TEXT, _NO_COUNT
    values, counts = _value_counts(column)
    return texts(field, values), counts


def _coded(column: Any, rows: int) -> tuple[Any, list[str | None]]:
    """Return the response code of each row as the index of a list of codes, of which the last one is None."""
    if column is None:
        return pyarrow.repeat(whole(0), rows), [None]
    column = column.combine_chunks() if isinstance(column, pyarrow.ChunkedArray) else column
    if not pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = [
        None if each is None else str(each) for each in texts(CODE, column.dictionary.fill_null(_EMPTY)).to_pylist()
    ]
    indices = column.indices.cast(pyarrow.int64())
    return compute.fill_null(indices, whole(len(codes))), [*codes, None]


def _times(
    times: Any, codes: tuple[Any, list[str | None]], rows: int, interval_ns: int
) -> tuple[list[tuple[int, str | None, int]], int]:
    if times is None:
        return [], rows
    indices, names = codes
    times_ns = nanoseconds_of(times)
    numbers = floor_divided(times_ns, interval_ns)
    count = whole(len(names))
    keys = compute.add(compute.multiply(numbers, count), indices)
    values, counts = _value_counts(keys)
    found = []
    for key, events in zip(values.to_pylist(), counts.to_pylist(), strict=True):
        number, index = divmod(key, len(names))
        found.append((number, names[index], events))
    return found, times_ns.null_count


def _nxdomain(columns: dict[str, Any], codes: tuple[Any, list[str | None]]) -> tuple[tuple[Any, Any, Any], int]:
    indices, names = codes
    wanted = [index for index, name in enumerate(names) if name == NXDOMAIN]
    if not wanted:
        return (_NO_TEXT, _NO_TEXT, _NO_COUNT), 0
    is_wanted = compute.is_in(indices, whole_array(wanted))
    total = compute.sum(is_wanted).as_py() or 0
    if NAME not in columns or not total:
        return (_NO_TEXT, _NO_TEXT, _NO_COUNT), total
    found = columns[NAME].filter(is_wanted)
    domains = pyarrow.nulls(len(found), pyarrow.string())
    if DOMAIN in columns:
        domains = columns[DOMAIN].filter(is_wanted)
    table = pyarrow.Table.from_arrays([_plain(domains), _plain(found)], names=["domain", "name"])
    grouped = table.group_by(["domain", "name"], use_threads=False).aggregate([([], "count_all")])
    shown = [compute.fill_null(grouped.column(key), _EMPTY).combine_chunks() for key in ("domain", "name")]
    return (texts(DOMAIN, shown[0]), texts(NAME, shown[1]), grouped.column("count_all").combine_chunks()), total


def _plain(column: Any) -> Any:
    return column.cast(pyarrow.string())


def _cached(column: Any, rows: int) -> dict[str, int]:
    yes = no = 0
    if column is not None:
        yes = compute.sum(column).as_py() or 0
        no = rows - column.null_count - yes
    return {"yes": yes, "no": no, "unknown": rows - yes - no}


def _families(values: Any, counts: Any, rows: int) -> dict[str, int]:
    is_six = compute.match_substring(values, ":")
    six = compute.sum(counts.filter(is_six)).as_py() or 0
    four = (compute.sum(counts).as_py() or 0) - six
    return {"IPv4": four, "IPv6": six, "none": rows - four - six}


def _problems(column: Any) -> list[tuple[str, int]]:
    if column is None or column.null_count == len(column):
        return []
    values, counts = _value_counts(column)
    return list(zip(texts(PROBLEMS, values).to_pylist(), counts.to_pylist(), strict=True))
