"""The public converter: options in, `Result` out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

from ._core import Converter, first_bytes, may_be_foreign
from .errors import MappingError, RecordError
from .formats.base import AnnotatingWriter, Format, NdjsonWriter
from .formats.long_reject import RejectBytes
from .formats.select import format_of
from .formats.streams import StreamSettings, Writer
from .mapping import Mapping, is_path, load
from .options import (
    DEFAULT_DATASET,
    DEFAULT_MAX_RECORD_BYTES,
    DEFAULT_SCHEMA,
    THREADS,
    Options,
    check_stream_options,
)
from .plan.compiler import compile_plan
from .results import EventIterator, RejectSpill, Result, Stream
from .signatures import HEAD_BYTES
from .signatures import check as check_signature

if TYPE_CHECKING:
    import pyarrow
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on

    from .matching.annotator import Annotator
    from .matching.detector import Detector

__all__ = ["Normalizer", "parse"]

_NDJSON = NdjsonWriter()
#: The column of a record batch that holds detections; `arrow` writes it.
_DETECTION_COLUMN = "cfdns.detection"


class Normalizer:
    """Convert batches of Cloudflare DNS log records to ECS events.

    Parameters
    ----------
    schema : str or os.PathLike
        A bundled mapping (``"sekoia"``, ``"ecs"``, ``"ocsf"``), or a mapping file: a PathLike, or text that holds a
        path separator or ends in ``.toml``.
    dataset : {"dns_logs", "dns_firewall_logs", "gateway_dns"}
        Logpush's name of the dataset, for a bundled mapping.
    on_reject : {"collect", "raise"}
        Collect rejects in the result, or raise `RecordError` at the first.
    keep_message : bool
        False drops every target that holds the raw record (``message``).
    private_suffixes : bool
        Split names by the private section of the Public Suffix List too.
    timestamp_unit : {"auto", "s", "ms", "us", "ns"}
        Unit of numeric timestamps; ``"auto"`` detects it by magnitude.
    max_record_bytes : int
        Longer records are rejects (``record.too_large``); 1 to 2**30.
    input_format : {"ndjson", "json", "csv", "tsv", "auto"}
        ``"json"``: documents around records (an object that holds an array of records, an array, records nested one
        level) or records that span lines. If the first document ends in the line in which it began, every document is
        on a line, and a broken document costs the rest of its line; otherwise it costs the rest of the input. ``"csv"``
        and ``"tsv"``: rows after a header that names at least two known fields, or rows of `columns`. ``"auto"``
        detects the format by the first bytes.
    columns : sequence of str, optional
        The names of the cells of a row of CSV or TSV, in order, for input without a header. At least one name must be a
        field that the mapping reads. Spaces and tabs around names are ignored, in a header as well.
    record_delimiter : str, optional
        Text of 1 to 16 characters that separates JSON records, besides newlines. It does not split a valid object;
        any other input ends at it.
    detect : sequence of Detector
        What to look for in query names: objects with a method ``matcher()``; see `cfdns_fast.matching`. The matchers
        see the text that ``dns.question.name`` is read from; of a mapping without names, ``QueryName``. A `Result` has
        what they found in its `detections`, and a record batch in the column ``cfdns.detection`` as well.
    on_detection : {"collect", "annotate"}
        ``"annotate"`` adds what a detector says of a detection (`matching.Annotation`) to the event, as its last
        members: ``rule``, ``threat`` and ``cfdns``; to an event of OCSF as ``enrichments``. Record batches are as with
        ``"collect"``.

    Raises
    ------
    MappingError
        The mapping cannot be used.
    ValueError
        An option has a value that it cannot have.

    Notes
    -----
    Input is UTF-8. In NDJSON, a line holds one or more objects, and lines end at byte 0x0A only. A new Normalizer reads
    the mapping and, once a process, the suffix rules; a conversion reads no file. A Normalizer is immutable, may be
    used from many threads at once, and can be pickled, copied and weakly referenced.

    A pickle holds the options, and the mapping is read again when the pickle is loaded. A copy or a loaded pickle of a
    subclass has that class and the attributes that the subclass added (with ``object.__setattr__``, since its objects
    are immutable too); its ``__init__`` and ``__new__`` are not called.
    """

    __slots__ = ("__weakref__", "_annotator", "_converter", "_format", "_options")
    _annotator: Annotator | None
    _converter: Converter
    _format: Format
    _options: Options

    def __init__(
        self,
        schema: str | os.PathLike[str] = DEFAULT_SCHEMA,
        *,
        dataset: str = DEFAULT_DATASET,
        on_reject: str = "collect",
        keep_message: bool = True,
        private_suffixes: bool = False,
        timestamp_unit: str = "auto",
        max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES,
        input_format: str = "ndjson",
        columns: Sequence[str] | None = None,
        record_delimiter: str | None = None,
        detect: Sequence[Detector] = (),
        on_detection: str = "collect",
    ) -> None:
        if hasattr(self, "_options"):
            raise AttributeError("a Normalizer is immutable; make a new one for other options")
        options = Options(
            schema=schema,
            dataset=dataset,
            on_reject=on_reject,
            keep_message=keep_message,
            private_suffixes=private_suffixes,
            timestamp_unit=timestamp_unit,
            max_record_bytes=max_record_bytes,
            input_format=input_format,
            columns=columns,
            record_delimiter=record_delimiter,
            detect=detect,
            on_detection=on_detection,
        )
        mapping = load(schema, dataset)
        options.check_known(mapping.sources)
        if not keep_message:
            mapping = mapping.without_raw()
        plan = compile_plan(
            mapping,
            private_suffixes=private_suffixes,
            timestamp_unit=timestamp_unit,
            max_record_bytes=max_record_bytes,
            record_delimiter=options.delimiter,
            is_matched=bool(options.detect),
        )
        converter = Converter(plan, tuple(each.matcher() for each in options.detect))
        object.__setattr__(self, "_converter", converter)
        object.__setattr__(self, "_format", format_of(converter, mapping, options))
        object.__setattr__(self, "_annotator", _annotator_of(mapping, options) if options.detect else None)
        object.__setattr__(self, "_options", options)

    @property
    def options(self) -> dict[str, Any]:
        """The options by name: ``Normalizer(**normalizer.options)`` converts alike."""
        return self._options.as_dict()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Normalizer is immutable; make a new one to change {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Normalizer is immutable")

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self._options.as_dict().items())
        return f"{type(self).__name__}({options})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), self._options.as_dict()), self.__getstate__()

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
            Records, in the format that `input_format` names. They are copied piece by piece while they are read; the
            result does not refer to the data.
        threads : int
            The maximum number of threads, 1 to 1024; at most one for each 128 KiB of NDJSON is used. The result does
            not depend on it.

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
            No format fits, or rows have no header. With any `input_format`: the data begins like a compressed file, or
            like UTF-16 or UTF-32.
        EngineError
            No SIMD kernel works here.
        """
        THREADS.check("threads", threads)
        _check_start(data)
        return self._format.convert(data, self._ndjson_writer(), threads)

    def to_arrow(self, data: Buffer, *, threads: int = 1) -> Result[pyarrow.RecordBatch]:
        """Convert a batch to an Arrow record batch; otherwise like `to_ndjson`. Needs pyarrow (``cfdns-fast[arrow]``).

        Returns
        -------
        Result
            Its output is a `pyarrow.RecordBatch`: one event a row, in input order. The columns, their order and their
            types depend on the mapping alone, so batches of one mapping can be concatenated. With the option ``detect``
            there is one more column, ``cfdns.detection``: a list of ``struct<matcher, rule, detail, start, field>``
            with the values of `Detection`; the field is its index in ("name", "source", "answer").

        Raises
        ------
        ImportError
            pyarrow is not installed.
        ValueError
            A column would hold more than 32-bit offsets can count (2 GiB of text): convert smaller blocks.

        Notes
        -----
        A column is named by its target, dotted (``dns.question.name``), and null where the event has no such field.
        Text is ``string``, whole numbers ``int64``, booleans ``bool``. Texts of a fixed set (enums, constants) are
        ``dictionary<int16, string>``; where other texts are possible (``unassigned``, alternatives), ``string``. Lists
        are ``list`` of these, objects in lists ``struct``. Timestamps are ``timestamp[ns, UTC]``, not cut to
        microseconds; those before 1677-09-21T00:12:43.145225Z or after 2262-04-11T23:47:16.854775807Z are null, and
        not counted as problems. Columns of one source (``source.ip``, ``related.ip``) share their memory.
        """
        from .arrow import ArrowWriter

        THREADS.check("threads", threads)
        _check_start(data)
        return self._format.convert(data, ArrowWriter(self._converter), threads)

    def to_dicts(self, data: Buffer) -> Result[list[dict[str, Any]]]:
        """Convert a batch to a list of dicts; otherwise like `to_ndjson`.

        Every dict and list in it is new. Every 1,000 records other threads can run and signals are handled; in between,
        the cyclic garbage collector is off. For many events `iter_dicts` is faster, because it does not keep them all
        in memory.
        """
        _check_start(data)
        result = self._format.to_dicts(data)
        return result if self._annotator is None else self._annotator.to_events(result)

    def iter_dicts(self, data: Buffer) -> EventIterator:
        """Convert a batch lazily: an iterator of dicts; otherwise like `to_dicts`.

        Input other than bytes is copied first. With ``on_reject="raise"`` RecordError is raised in the order of the
        input, and the iteration may continue after it. One iterator is for one thread at a time.

        Every dict and list is new, and the iterator keeps no event. Every 1,000 records other threads can run and
        signals are handled, also where C code such as ``list()`` consumes the iterator.
        """
        _check_start(data)
        events = self._format.iter_dicts(data)
        if self._annotator is None:
            return events
        from .matching.annotator import AnnotatedEvents

        return AnnotatedEvents(events, self._annotator)

    @overload
    def stream(
        self, *, threads: int = 1, output: Literal["ndjson"] = "ndjson", whole_rejects: bool | RejectSpill = False
    ) -> Stream[bytes]: ...
    # Not Stream[pyarrow.RecordBatch]: without stubs for pyarrow, strict checkers would refuse every use of the method.
    @overload
    def stream(
        self, *, threads: int = 1, output: Literal["arrow"], whole_rejects: bool | RejectSpill = False
    ) -> Stream[Any]: ...
    # A name that is not known to the checker.
    @overload
    def stream(self, *, threads: int = 1, output: str, whole_rejects: bool | RejectSpill = False) -> Stream[Any]: ...
    def stream(
        self, *, threads: int = 1, output: str = "ndjson", whole_rejects: bool | RejectSpill = False
    ) -> Stream[Any]:
        """Return a stream that converts one input which arrives in blocks; see `Stream`.

        Parameters
        ----------
        threads : int
            The maximum number of threads, 1 to 1024; formats other than NDJSON use one. With more than one, the stream
            gives results for half a megabyte a thread at a time, or at `Stream.flush`.
        output : {"ndjson", "arrow"}
            ``"arrow"`` gives record batches, as `to_arrow` does.
        whole_rejects : bool or RejectSpill
            False: ``raw`` of rejects holds their first 64 KiB. True: it holds all bytes, so memory grows with the
            longest reject. A `RejectSpill`: it holds all bytes, except of the rejects that go to the spill (see there);
            results come in parts only.

        Raises
        ------
        ImportError
            ``output="arrow"`` without pyarrow.
        """
        check_stream_options(output, threads, whole_rejects)
        writer: Any = self._ndjson_writer()
        if output == "arrow":
            from .arrow import ArrowWriter

            writer = ArrowWriter(self._converter)
        return self._format.stream(StreamSettings(writer, threads, RejectBytes.of(whole_rejects), self._options.raises))

    def _ndjson_writer(self) -> Writer[bytes]:
        return _NDJSON if self._annotator is None else AnnotatingWriter(self._annotator)


def _annotator_of(mapping: Mapping, options: Options) -> Annotator | None:
    """Return what adds annotations, if the option asks for it. Raises MappingError if the mapping has their members."""
    # Imported here, because most normalizers look for nothing.
    from .matching.annotator import ANNOTATED_KEYS, Annotator
    from .matching.ocsf import OCSF_KEYS, is_ocsf

    annotated_keys = OCSF_KEYS if is_ocsf(mapping.targets()) else ANNOTATED_KEYS
    annotates = options.on_detection == "annotate"
    for field in mapping.fields:
        if field.to == _DETECTION_COLUMN:
            reason = "a mapping must not write it with the option detect, because it is the column of detections"
            raise MappingError(mapping.file, field.to, reason)
        member = field.to.partition(".")[0]
        if annotates and member in annotated_keys:
            reason = (
                f"events of this mapping cannot be annotated, because annotations write {member!r} too; "
                "collect the detections (on_detection='collect', or --alerts without --annotate)"
            )
            raise MappingError(mapping.file, field.to, reason)
    return Annotator(options.detect) if annotates else None


def _check_start(data: Buffer) -> None:
    """Raise InputFormatError if data must be decompressed or decoded first."""
    if may_be_foreign(data):
        check_signature(first_bytes(data, HEAD_BYTES))


def _remake(cls: type[Normalizer], options: dict[str, Any]) -> Normalizer:
    normalizer = object.__new__(cls)
    Normalizer.__init__(normalizer, **options)
    return normalizer


@lru_cache(maxsize=16)
def _bundled(schema: str, dataset: str) -> Normalizer:
    return Normalizer(schema, dataset=dataset)


def parse(
    data: Buffer, schema: str | os.PathLike[str] = DEFAULT_SCHEMA, *, dataset: str = DEFAULT_DATASET
) -> dict[str, Any]:
    """Convert one record.

    Parameters
    ----------
    data : bytes-like
        One JSON object in UTF-8 on one line; space around it and a line end are allowed.
    schema : str or os.PathLike
        As for `Normalizer`. A bundled schema is kept after the first call; a file is read at every call.
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
    if isinstance(schema, str) and not is_path(schema):
        normalizer = _bundled(schema, dataset)
    else:
        normalizer = Normalizer(schema, dataset=dataset)
    try:
        return normalizer._converter.parse(data)
    except RecordError:
        # No record begins like one of these formats, so a record that was converted needs no check.
        _check_start(data)
        raise
