"""What an inspection found, as data: `Summary` and its parts.

All objects are immutable and can be used by any thread. Texts of `Top.rows`, `Example.example` and of names of files
come from logs and file systems: whatever shows them must escape them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["FORMAT", "Domain", "Example", "Fault", "File", "Files", "Gap", "Rate", "Summary", "Top", "time_text"]

#: Incremented when a member of `Summary.as_dict` is renamed, removed or changes its meaning, not when one is added.
FORMAT = 1

_NS_PER_S = 10**9
_DAY_S = 86_400


class _Data:
    """Turns a dataclass into what JSON can hold: members whose names end in ``_ns`` and are times become text."""

    __slots__ = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the members by name, as JSON can hold them. Times are texts in UTC, without ``_ns`` in the name."""
        return dict(_member(each.name, getattr(self, each.name)) for each in fields(self))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Top(_Data):
    """The most frequent values of one field, without regard to the case of ASCII letters in names.

    Attributes
    ----------
    key : str
        The name for programs, for example ``registered_domains``.
    title : str
        The name for people, for example ``Registered domains``.
    total : int
        The number of events that have a value.
    missing : int
        The number of events without a value.
    distinct : int
        The number of different values; if `is_exact` is false, the number that may be too high.
    is_exact : bool
        Whether all values were kept. Above a limit the rarest ones are dropped.
    max_error : int
        The greatest number by which a count of `rows` is too low; 0 if it is exact.
    rows : tuple of (str, int)
        The values and their numbers of events: the greatest first, equal ones by value.
    """

    key: str
    title: str
    total: int
    missing: int
    distinct: int
    is_exact: bool
    max_error: int
    rows: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Rate(_Data):
    """The number of events in equal intervals of time, by response code.

    Attributes
    ----------
    interval_s : int
        The length of an interval in seconds: 1, or more if there would be more than 300 intervals.
    start_ns : int
        The beginning of the first interval, nanoseconds since 1970.
    codes : tuple of str
        Response codes, the most frequent first. The last one may be ``(other)``; ``(none)`` is an event without a code.
    counts : tuple of tuple of int
        For each code, the number of events of each interval; all have the same length.
    before, after : int
        The numbers of events before the first and after the last interval: a few events with another time would make
        the intervals long, so they are left out.
    """

    interval_s: int
    start_ns: int
    codes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Domain(_Data):
    """The queries below one registered domain that were answered with NXDOMAIN.

    Many different names for few queries are typical of random subdomains.

    Attributes
    ----------
    domain : str
        The registered domain; ``(none)`` stands for all names without one.
    queries : int
        The number of events.
    names : int
        The number of different names.
    names_share : float
        `names` divided by `queries`, 0 to 1.
    """

    domain: str
    queries: int
    names: int
    names_share: float


@dataclass(frozen=True, slots=True)
class Example(_Data):
    """A kind of problem, reject or detection: how often it was, and one example.

    Attributes
    ----------
    code : str
        ``field.type:QueryType`` for a problem, ``json.syntax`` for a reject, the name of the rule for a detection.
    count : int
    example : str or None
        At most 64 bytes of input, everything not printable escaped; None without an example.
    input : str or None
        The name of the input of the example.
    level : str or None
        The level of the rule of a detection: ``informational``, ``low``, ``medium``, ``high`` or ``critical``.
    """

    code: str
    count: int
    example: str | None = None
    input: str | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Gap(_Data):
    """A time that no file covers, by the names of the files.

    Attributes
    ----------
    from_ns, to_ns : int
        Nanoseconds since 1970.
    """

    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class File(_Data):
    """One input that was read.

    Attributes
    ----------
    name : str
        The path or the URL; ``stdin`` for standard input.
    kind : str
        ``logs``, ``events`` (converted, as NDJSON) or ``parquet`` (converted).
    size_bytes : int or None
        The stored size; None if it is not known.
    events, rejects, problems : int
    first_ns, last_ns : int or None
        The times of the earliest and the latest event, nanoseconds since 1970; None without one.
    named_from_ns, named_to_ns : int or None
        The range of time in the name, if it is a name of Logpush.
    late : int
        The number of events that are earlier than `named_from_ns`.
    lateness_ns : int
        How much the earliest event is earlier than `named_from_ns`, a duration; 0 if it is not.
    """

    name: str
    kind: str
    size_bytes: int | None
    events: int
    rejects: int
    problems: int
    first_ns: int | None
    last_ns: int | None
    named_from_ns: int | None
    named_to_ns: int | None
    late: int
    lateness_ns: int


@dataclass(frozen=True, slots=True)
class Fault(_Data):
    """An input that could not be read, or not to its end, or of which no record is known.

    Attributes
    ----------
    name : str
    reason : str
        A sentence, for people.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Files(_Data):
    """What the inputs say as files.

    Attributes
    ----------
    count : int
        The number of inputs that were read, also in part.
    size_bytes : int
        The stored size of all inputs whose size is known.
    skipped : dict of str to int
        The number of listed files that were not read, by reason.
    named_from_ns, named_to_ns : int or None
        The range of time that names of Logpush cover.
    usual_interval_s : float or None
        The median time between the beginnings of consecutive files, by their names.
    gaps : tuple of Gap
        Times that no file covers, longer than two usual intervals; the longest ones, in the order of time.
    gap_count : int
        The number of all gaps.
    late_files : int
        The number of files with events earlier than their names say.
    latest : tuple of File
        The files with the greatest lateness, the greatest first.
    equal : tuple of tuple of str
        Groups of files with equal content, the first ones.
    equal_count : int
        The number of files that are equal to an earlier one.
    listed : tuple of File
        The first files, in their order.
    faults : tuple of Fault
        The first faults.
    fault_count : int
        The number of all inputs with a fault.
    """

    count: int
    size_bytes: int
    skipped: Mapping[str, int]
    named_from_ns: int | None
    named_to_ns: int | None
    usual_interval_s: float | None
    gaps: tuple[Gap, ...]
    gap_count: int
    late_files: int
    latest: tuple[File, ...]
    equal: tuple[tuple[str, ...], ...]
    equal_count: int
    listed: tuple[File, ...]
    faults: tuple[Fault, ...]
    fault_count: int


@dataclass(frozen=True, slots=True)
class Summary(_Data):
    """What a batch of logs holds.

    Attributes
    ----------
    version : str
        The version of this package.
    schema, dataset : str
        The mapping with which logs were read.
    seconds : float
        The duration of the inspection.
    lines : int or None
        The number of lines that were read; None if no input has lines.
    events, blank, rejects, problems : int
        Totals, as `cfdns_fast.Result` counts them.
    first_ns, last_ns : int or None
        The times of the earliest and the latest event, nanoseconds since 1970.
    without_time : int
        The number of events without a time.
    rate : Rate or None
        None without an event that has a time.
    tops : tuple of Top
        ``response_codes``, ``query_types``, ``registered_domains``, ``names``, ``top_level_domains``, ``data_centres``
        and ``clients``, in the order in which they are shown.
    cached : dict of str to int
        The number of events by ``yes``, ``no`` and ``unknown``: whether the answer came from the cache.
    families : dict of str to int
        The number of events by the client's address: ``IPv4``, ``IPv6`` and ``none``.
    edns : dict of str to int
        The number of events with and without a client subnet (EDNS): ``yes`` and ``no``.
    nxdomain : tuple of Domain
        The domains with the most answers NXDOMAIN.
    nxdomain_total, nxdomain_domains : int
        The numbers of these answers and of their domains.
    nxdomain_is_exact : bool
        If false, rare names were dropped: `Domain.names` and `nxdomain_domains` may be too high, and `Domain.queries`
        too low.
    nxdomain_max_error : int
        The greatest number by which `Domain.queries` is too low.
    problem_examples, reject_examples, detections : tuple of Example
        The most frequent first.
    detection_count : int or None
        The number of all detections; None if nothing was looked for.
    detections_not_kept : int
        Detections that were only counted.
    files : Files
    """

    version: str
    schema: str
    dataset: str
    seconds: float
    lines: int | None
    events: int
    blank: int
    rejects: int
    problems: int
    first_ns: int | None
    last_ns: int | None
    without_time: int
    rate: Rate | None
    tops: tuple[Top, ...]
    cached: Mapping[str, int]
    families: Mapping[str, int]
    edns: Mapping[str, int]
    nxdomain: tuple[Domain, ...]
    nxdomain_total: int
    nxdomain_domains: int
    nxdomain_is_exact: bool
    nxdomain_max_error: int
    problem_examples: tuple[Example, ...]
    reject_examples: tuple[Example, ...]
    detections: tuple[Example, ...]
    detection_count: int | None
    detections_not_kept: int
    files: Files

    def top(self, key: str) -> Top:
        """Return the list with this key; raises KeyError."""
        for each in self.tops:
            if each.key == key:
                return each
        raise KeyError(key)

    def as_dict(self) -> dict[str, Any]:
        """Return all members by name, as JSON can hold them; ``docs/inspect.md`` describes them."""
        return {"format": FORMAT, **_Data.as_dict(self)}


def time_text(time_ns: int) -> str:
    """Return a time (nanoseconds since 1970) as ``2026-08-25T12:00:00.000000000Z``."""
    import time

    seconds, rest_ns = divmod(time_ns, _NS_PER_S)
    return f"{_date_text(seconds // _DAY_S)}T{time.strftime('%H:%M:%S', time.gmtime(seconds % _DAY_S))}.{rest_ns:09}Z"


def _date_text(days: int) -> str:
    """Return the date of a number of days since 1970; `time.gmtime` refuses some on Windows."""
    from datetime import date

    return date.fromordinal(date(1970, 1, 1).toordinal() + days).isoformat()


def _member(name: str, value: Any) -> tuple[str, Any]:
    if name == "lateness_ns":
        return "lateness_s", value / _NS_PER_S
    if name.endswith("_ns"):
        return name.removesuffix("_ns"), None if value is None else time_text(value)
    return name, _value(value)


def _value(value: Any) -> Any:
    if isinstance(value, _Data):
        return value.as_dict()
    if isinstance(value, Mapping):
        return dict(value)
    return [_value(each) for each in value] if isinstance(value, tuple) else value
