"""The public converter: options in, `Result` out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

from . import _core, mapping, signatures
from .errors import RecordError
from .formats.sniff import check_columns_known, check_options, known_fields
from .plan.compiler import TIMESTAMP_UNITS, compile_plan
from .results import Result

if TYPE_CHECKING:
    import pyarrow
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on

    from ._core import Converter, EventIterator
    from .formats.select import ShapedInput
    from .formats.tabular import RowIterator

__all__ = ["MOST_RECORD_BYTES", "USUAL_RECORD_BYTES", "Normalizer", "parse"]

USUAL_RECORD_BYTES = 2**20
MOST_RECORD_BYTES = 2**30
_MOST_THREADS = 1024


class Normalizer:
    """Convert batches of Cloudflare DNS log records to ECS events.

    Parameters
    ----------
    schema : str or os.PathLike
        A bundled mapping (``"sekoia"``, ``"ecs"``), or a mapping file: a PathLike, or text that holds a path separator
        or ends in ``.toml``.
    dataset : {"dns_logs", "dns_firewall_logs", "gateway_dns"}
        Logpush's name of the dataset, for a bundled mapping.
    on_reject : {"collect", "raise"}
        Collect rejects in the result, or raise `RecordError` at the first.
    keep_message : bool
        False drops every target that holds the raw record (``message``).
    private_suffixes : bool
        Split names by the private section of the Public Suffix List too.
    timestamp_unit : {"auto", "s", "ms", "us", "ns"}
        Unit of numeric timestamps; ``"auto"`` tells it by magnitude.
    max_record_bytes : int
        Longer records are rejects (``record.too_large``); 1 to 2**30.
    input_format : {"ndjson", "json", "csv", "tsv", "auto"}
        ``"json"``: documents around records (an object that holds an array of them, an array, records nested one level)
        or records that span lines. If the first document ends in the line in which it began, every one is on a line,
        and a broken one costs the rest of its line; otherwise it costs all of the rest. ``"csv"`` and ``"tsv"``: rows
        under a header that names two known fields or more, or under `columns`. ``"auto"`` tells by the first bytes.
    columns : sequence of str, optional
        What the cells of a row of CSV or TSV are, in order, where no header says so. At least one of them must be a
        field that the mapping reads. Spaces and tabs around names are ignored, in a header as well.
    record_delimiter : str, optional
        Text of 1 to 16 characters that stands between JSON records, besides newlines. It separates nothing within an
        object, but ends what is none, wherever it stands.

    Raises
    ------
    MappingError
        The mapping cannot be used.
    ValueError
        An option has a value it does not take.

    Notes
    -----
    Input is UTF-8. In NDJSON, a line holds one or more objects, and lines end at byte 0x0A only. Making one reads the
    mapping and, once a process, the suffix rules; converting reads nothing. It is immutable, may be used from many
    threads at once, and can be pickled, copied and weakly referenced.

    A pickle holds the options, and the mapping is read again when it is loaded. A copy or a loaded pickle of a subclass
    is of that subclass and keeps the attributes that the subclass has added (with ``object.__setattr__``, since it is
    immutable too); its ``__init__`` and ``__new__`` are not called.
    """

    __slots__ = ("__weakref__", "_known", "_options", "_plan", "_raise_on_reject", "_shaped")
    _known: frozenset[str]
    _options: dict[str, Any]
    _plan: Converter
    _raise_on_reject: bool
    _shaped: ShapedInput | None

    def __init__(
        self,
        schema: str | os.PathLike[str] = "sekoia",
        *,
        dataset: str = mapping.DEFAULT_DATASET,
        on_reject: str = "collect",
        keep_message: bool = True,
        private_suffixes: bool = False,
        timestamp_unit: str = "auto",
        max_record_bytes: int = USUAL_RECORD_BYTES,
        input_format: str = "ndjson",
        columns: Sequence[str] | None = None,
        record_delimiter: str | None = None,
    ) -> None:
        if hasattr(self, "_plan"):
            raise AttributeError("a Normalizer is immutable; make a new one for other options")
        _one_of("on_reject", on_reject, ("collect", "raise"))
        _one_of("keep_message", keep_message, (True, False))
        _one_of("private_suffixes", private_suffixes, (True, False))
        _one_of("timestamp_unit", timestamp_unit, TIMESTAMP_UNITS)
        if not _is_whole(max_record_bytes) or not 1 <= max_record_bytes <= MOST_RECORD_BYTES:
            allowed = f"a whole number from 1 to {MOST_RECORD_BYTES}"
            raise ValueError(f"max_record_bytes must be {allowed}, not {max_record_bytes!r}")
        names, delimiter = check_options(input_format, columns, record_delimiter)
        loaded = mapping.load(schema, dataset)
        known = known_fields(loaded)
        if names is not None:
            check_columns_known(names, known)
        if not keep_message:
            loaded = loaded.without_raw()
        reading: dict[str, Any] = {"private_suffixes": private_suffixes, "timestamp_unit": timestamp_unit}
        plan = _core.Converter(
            compile_plan(loaded, max_record_bytes=max_record_bytes, record_delimiter=delimiter, **reading)
        )
        shaped = None
        if input_format != "ndjson":
            # Not at the top: a fifth of what importing the package would cost, and most input is NDJSON.
            from .formats.select import ShapedInput

            shaped = ShapedInput(
                plan,
                loaded,
                reading,
                input_format=input_format,
                columns=names,
                max_record_bytes=max_record_bytes,
                delimiter=delimiter,
                raise_on_reject=on_reject == "raise",
            )
        options = {
            "schema": schema,
            "dataset": dataset,
            "on_reject": on_reject,
            "keep_message": keep_message,
            "private_suffixes": private_suffixes,
            "timestamp_unit": timestamp_unit,
            "max_record_bytes": max_record_bytes,
            "input_format": input_format,
            "columns": names,
            "record_delimiter": record_delimiter,
        }
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_options", options)
        object.__setattr__(self, "_plan", plan)
        object.__setattr__(self, "_raise_on_reject", on_reject == "raise")
        object.__setattr__(self, "_shaped", shaped)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Normalizer is immutable; make a new one to change {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Normalizer is immutable")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._options.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), self._options), self.__getstate__()

    def __getstate__(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return what a subclass has added, its ``__dict__`` and its slots; None if it has added nothing."""
        state: Any = super().__getstate__()
        attributes, slots = state
        added = {name: value for name, value in slots.items() if name not in Normalizer.__slots__}
        return (attributes or {}, added) if attributes or added else None

    def __setstate__(self, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Add to a new object what `__getstate__` has returned."""
        attributes, slots = state
        if attributes:
            self.__dict__.update(attributes)
        for name, value in slots.items():
            object.__setattr__(self, name, value)

    def to_ndjson(self, data: Buffer, *, threads: int = 1) -> Result[bytes]:
        """Convert a batch to NDJSON.

        Parameters
        ----------
        data : bytes-like
            Records, in the shape that `input_format` says. Copied piece by piece while it is read; the result does not
            refer to it.
        threads : int
            At most so many, for each 128 KiB of NDJSON one; 1 to 1024. The result is the same for any number.

        Returns
        -------
        Result
            Its output is bytes: one ECS event a line, in input order, each as ``json.dumps(event, ensure_ascii=False,
            separators=(",", ":"))`` would write it, UTF-8, a newline after every line.

        Raises
        ------
        RecordError
            With ``on_reject="raise"``: the first reject; nothing is returned.
        InputFormatError
            The data has none of the shapes that may be meant, or rows without a header. Whatever `input_format` is: the
            data begins like a compressed file, or like UTF-16 or UTF-32.
        EngineError
            No SIMD kernel works here.
        """
        _check_threads(threads)
        _check_start(data)
        if self._shaped is not None:
            return self._shaped.to_ndjson(data, threads)
        return self._plan.to_ndjson(data, raise_on_reject=self._raise_on_reject, threads=threads)

    def to_arrow(self, data: Buffer, *, threads: int = 1) -> Result[pyarrow.RecordBatch]:
        """Convert a batch to an Arrow record batch; otherwise like `to_ndjson`. Needs pyarrow (``cfdns-fast[arrow]``).

        Returns
        -------
        Result
            Its output is a `pyarrow.RecordBatch`: one event a row, in input order. Which columns it has, in which order
            and of which types, depends on the mapping alone, so batches can be put together.

        Raises
        ------
        ImportError
            There is no pyarrow.
        ValueError
            A column would hold more than 32-bit offsets can count (2 GiB of text): convert smaller blocks.

        Notes
        -----
        A column is named by its target, dotted (``dns.question.name``), and null where the event has no such field.
        Text is ``string``, whole numbers ``int64``, booleans ``bool``. Texts of a fixed set (enums, constants) are
        ``dictionary<int16, string>``; where other texts are possible (``unassigned``, alternatives), ``string``. Lists
        are ``list`` of these, objects in lists ``struct``. Timestamps are ``timestamp[ns, UTC]``, not cut to
        microseconds; those before 1677-09-21T00:12:43.145225Z or after 2262-04-11T23:47:16.854775807Z are null, which
        is no problem. Columns of one source (``source.ip``, ``related.ip``) share their memory.
        """
        from . import arrow

        _check_threads(threads)
        _check_start(data)
        if self._shaped is not None:
            return self._shaped.to_arrow(data, threads)
        return arrow.convert(self._plan, data, raise_on_reject=self._raise_on_reject, threads=threads)

    def to_dicts(self, data: Buffer) -> Result[list[dict[str, Any]]]:
        """Convert a batch to a list of dicts; otherwise like `to_ndjson`.

        Every dict and list in it is new. Every 1,000 records other threads can run and signals are handled; in between,
        the cyclic garbage collector is off. For many events `iter_dicts` is faster, because they need not all be in
        memory.
        """
        _check_start(data)
        if self._shaped is not None:
            return self._shaped.to_dicts(data)
        return self._plan.to_dicts(data, raise_on_reject=self._raise_on_reject)

    def iter_dicts(self, data: Buffer) -> EventIterator | RowIterator:
        """Convert a batch lazily: an iterator of dicts; otherwise like `to_dicts`.

        It has ``events``, ``blank``, ``rejects`` and ``problems``, true for what was consumed so far and final at the
        end. Input other than bytes is copied first. With ``on_reject="raise"`` RecordError comes at the record's turn,
        and iterating may go on behind it. One iterator is for one thread at a time.

        Every dict and list is new, and the iterator keeps no event. Every 1,000 records other threads can run and
        signals are handled, also where C code such as ``list()`` consumes the iterator.
        """
        _check_start(data)
        if self._shaped is not None:
            return self._shaped.iter_dicts(data)
        return self._plan.iter_dicts(data, raise_on_reject=self._raise_on_reject)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_threads(threads: object) -> None:
    if not _is_whole(threads) or not 1 <= threads <= _MOST_THREADS:
        raise ValueError(f"threads must be a whole number from 1 to {_MOST_THREADS}, not {threads!r}")


def _check_start(data: Buffer) -> None:
    """Raise InputFormatError if data must be decompressed or decoded first."""
    if _core.may_be_foreign(data):
        signatures.check(_core.first_bytes(data, signatures.HEAD_BYTES))


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if not any(value is choice or (isinstance(choice, str) and value == choice) for choice in allowed):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


def _remake(cls: type[Normalizer], options: dict[str, Any]) -> Normalizer:
    normalizer = object.__new__(cls)
    Normalizer.__init__(normalizer, **options)
    return normalizer


@lru_cache(maxsize=16)
def _bundled(schema: str, dataset: str) -> Normalizer:
    return Normalizer(schema, dataset=dataset)


def parse(
    data: Buffer, schema: str | os.PathLike[str] = "sekoia", *, dataset: str = mapping.DEFAULT_DATASET
) -> dict[str, Any]:
    """Convert one record.

    Parameters
    ----------
    data : bytes-like
        One JSON object in UTF-8 on one line; space around it and a line end are allowed.
    schema : str or os.PathLike
        As for `Normalizer`. The bundled ones are kept after the first call; a file is read at each.
    dataset : str
        As for `Normalizer`.

    Returns
    -------
    dict
        The event. Kind raw (``message``) holds exactly the bytes given. Problems are not reported here: use a
        `Normalizer`.

    Raises
    ------
    RecordError
        ``record.empty``, ``record.multiple``, or the code of the reject.
    InputFormatError
        The data begins like a compressed file, or like UTF-16 or UTF-32.
    """
    if isinstance(schema, str) and not mapping.is_path(schema):
        normalizer = _bundled(schema, dataset)
    else:
        normalizer = Normalizer(schema, dataset=dataset)
    try:
        return normalizer._plan.parse(data)
    except RecordError:
        # No record begins like these formats, so records need not be looked at.
        _check_start(data)
        raise
