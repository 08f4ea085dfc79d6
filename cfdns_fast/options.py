"""Every option of a conversion, once: its name, type, default, check and help text.

`Options` holds the options of a `Normalizer`. The others belong to a call (`THREADS`) or to a stream.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = [
    "DEFAULT_DATASET",
    "DEFAULT_MAX_RECORD_BYTES",
    "DEFAULT_SCHEMA",
    "DETECTION_BYTES",
    "FIELD_DELIMITERS",
    "INPUT_FORMATS",
    "MAX_RECORD_BYTES",
    "MAX_THREADS",
    "THREADS",
    "TIMESTAMP_UNITS",
    "Option",
    "Options",
    "check_stream_options",
    "column_names",
    "option",
]

DEFAULT_SCHEMA = "sekoia"
DEFAULT_DATASET = "dns_logs"
DEFAULT_MAX_RECORD_BYTES = 2**20
MAX_RECORD_BYTES = 2**30
MAX_THREADS = 1024
TIMESTAMP_UNITS = ("auto", "s", "ms", "us", "ns")
INPUT_FORMATS = ("ndjson", "json", "csv", "tsv", "auto")
#: The number of bytes, after leading NULs, by which the input format ``auto`` detects the format.
DETECTION_BYTES = 2**20
#: The character between two cells, by input format.
FIELD_DELIMITERS = {"csv": ",", "tsv": "\t"}

_MAX_DELIMITER_CHARACTERS = 16
_MAX_LISTED_FIELDS = 50
_JSON_SCALAR = re.compile(r"true|false|null|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


# A named tuple would take longer at import.
class Option:
    """What one option takes.

    Attributes
    ----------
    default : object
    help : str
        The help text of the command; empty if the command has none, or words its own.
    choices : tuple
        The allowed values; empty if they are not listed.
    limits : tuple of (int, int) or None
        The smallest and the largest allowed number.
    """

    __slots__ = ("choices", "default", "help", "limits")

    def __init__(
        self, default: Any, help: str = "", *, choices: tuple[Any, ...] = (), limits: tuple[int, int] | None = None
    ) -> None:
        self.default = default
        self.help = help
        self.choices = choices
        self.limits = limits

    def check(self, name: str, value: object) -> None:
        """Raise ValueError if the option cannot have this value."""
        if self.limits is not None:
            smallest, largest = self.limits
            # bool is a subclass of int, but not a number here.
            if not isinstance(value, int) or isinstance(value, bool) or not smallest <= value <= largest:
                raise ValueError(f"{name} must be a whole number from {smallest} to {largest}, not {value!r}")
        elif self.choices:
            is_choice = (value is each or (isinstance(each, str) and value == each) for each in self.choices)
            if not any(is_choice):
                raise ValueError(f"{name} must be one of {', '.join(map(repr, self.choices))}, not {value!r}")


def _option(default: Any, help: str = "", **rules: Any) -> Any:
    return field(default=default, metadata={"option": Option(default, help, **rules)})


# Generated methods that are not needed would take time at import.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Options:
    """The options of a `Normalizer`, which documents them; ValueError if one has a value that it cannot have.

    `mapping.load` checks `schema` and `dataset`, and `check_known` compares `columns` with the mapping.
    """

    schema: str | os.PathLike[str] = _option(  # noqa: RUF009
        DEFAULT_SCHEMA,
        "The form of the events: a bundled name, or the path of a mapping file (with a / in it, or ending in .toml).",
    )
    dataset: str = _option(
        DEFAULT_DATASET,
        "Logpush's name of the dataset, for a bundled schema: dns_logs, dns_firewall_logs or gateway_dns.",
    )
    on_reject: str = _option("collect", choices=("collect", "raise"))
    keep_message: bool = _option(True, choices=(True, False))
    private_suffixes: bool = _option(
        False,
        "Split names by the private section of the Public Suffix List too (github.io, for example).",
        choices=(True, False),
    )
    timestamp_unit: str = _option(
        "auto", "The unit of numeric timestamps; auto detects it by their size.", choices=TIMESTAMP_UNITS
    )
    max_record_bytes: int = _option(
        DEFAULT_MAX_RECORD_BYTES,
        "A longer record is a reject, and is not kept in memory.",
        limits=(1, MAX_RECORD_BYTES),
    )
    input_format: str = _option(
        "ndjson",
        "The format of the inputs; auto detects it, for each input, by how it begins.",
        choices=INPUT_FORMATS,
    )
    columns: Sequence[str] | None = _option(
        None,
        "The names of the cells of CSV or TSV rows, in order, where no header row gives them. At least one must be a "
        "known field.",
    )
    record_delimiter: str | None = _option(None, "What stands between JSON records, besides newlines.")
    detect: Sequence[Any] = _option(())
    on_detection: str = _option("collect", choices=("collect", "annotate"))

    def __post_init__(self) -> None:
        for each in fields(self):
            each.metadata["option"].check(each.name, getattr(self, each.name))
        object.__setattr__(self, "columns", _checked_columns(self.columns, self.input_format))
        _check_delimiter(self.record_delimiter, self.input_format)
        object.__setattr__(self, "detect", _checked_detectors(self.detect))

    @property
    def delimiter(self) -> bytes:
        """The delimiter between records in UTF-8, without line ends around it; empty if there is none."""
        # Newlines always separate records, so they are not part of the delimiter.
        return (self.record_delimiter or "").strip("\r\n").encode("utf-8")

    @property
    def raises(self) -> bool:
        """Whether the first reject ends a call."""
        return self.on_reject == "raise"

    def check_known(self, sources: Iterable[str]) -> None:
        """Raise ValueError if there are columns and none of them is a key that the mapping reads."""
        if self.columns is None:
            return
        known = sorted(sources)
        if not known:
            raise ValueError("columns are for a mapping that reads at least one field")
        if set(known).isdisjoint(self.columns):
            more = len(known) - _MAX_LISTED_FIELDS
            listed = ", ".join(known[:_MAX_LISTED_FIELDS]) + (f" and {more} more" if more > 0 else "")
            raise ValueError(f"columns must name at least one known field; known are: {listed}")

    def as_dict(self) -> dict[str, Any]:
        """Return the values by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


#: An option of `Normalizer.to_ndjson`, `to_arrow` and `stream`.
THREADS = Option(
    1,
    "Convert newline-delimited JSON with at most N threads; reading and decompressing have one of their own.",
    limits=(1, MAX_THREADS),
)
_OUTPUT = Option("ndjson", choices=("ndjson", "arrow"))


def option(name: str) -> Option:
    """Return what an option of `Options` takes."""
    found: Option = Options.__dataclass_fields__[name].metadata["option"]
    return found


def check_stream_options(output: object, threads: object, whole_rejects: object) -> None:
    """Raise ValueError if an option of `Normalizer.stream` has a value that it cannot have."""
    _OUTPUT.check("output", output)
    THREADS.check("threads", threads)
    if not isinstance(whole_rejects, bool) and not all(hasattr(whole_rejects, name) for name in ("write", "clear")):
        raise ValueError(f"whole_rejects must be True, False or a RejectSpill, not {whole_rejects!r}")


def column_names(cells: Iterable[str]) -> list[str]:
    """Return names of columns without the spaces and tabs around them."""
    return [cell.strip(" \t") for cell in cells]


def _checked_columns(columns: object, input_format: str) -> tuple[str, ...] | None:
    if columns is None:
        return None
    if input_format not in (*FIELD_DELIMITERS, "auto"):
        raise ValueError(f"columns are for input_format 'csv', 'tsv' or 'auto', not {input_format!r}")
    names = tuple(columns) if isinstance(columns, Sequence) and not isinstance(columns, (str, bytes)) else ()
    if all(isinstance(name, str) for name in names):
        names = tuple(column_names(names))
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("columns must be a sequence of one name or more, none of them empty")
    if len(set(names)) != len(names):
        raise ValueError("columns must differ from each other")
    return names


#: A detection stores the index of its matcher in 16 bits.
_MAX_DETECTORS = 2**16 - 1


def _checked_detectors(detect: object) -> tuple[Any, ...]:
    detectors = tuple(detect) if isinstance(detect, Sequence) and not isinstance(detect, (str, bytes)) else None
    if detectors is None or not all(callable(getattr(each, "matcher", None)) for each in detectors):
        raise ValueError("detect must be a sequence of objects with a method matcher()")
    if len(detectors) > _MAX_DETECTORS:
        raise ValueError(f"detect has more than {_MAX_DETECTORS} objects")
    return detectors


def _check_delimiter(text: object, input_format: str) -> None:
    if text is None:
        return
    if input_format in FIELD_DELIMITERS:
        raise ValueError("record_delimiter is for JSON; rows end at newlines")
    if not isinstance(text, str) or not 1 <= len(text) <= _MAX_DELIMITER_CHARACTERS:
        raise ValueError(f"record_delimiter must be text of 1 to {_MAX_DELIMITER_CHARACTERS} characters")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("record_delimiter must be text that UTF-8 can hold") from None
    # Space between records is skipped anyway, and a pattern for it would take exponential time in `detect`.
    if not text.strip(" \t\r\n\ufeff") and (text.strip("\r\n") or "\n" not in text):
        raise ValueError("record_delimiter must hold more than white space, or be a newline")
    if _JSON_SCALAR.fullmatch(text):
        raise ValueError("record_delimiter must not be a JSON value")
    if re.search(r'[][{}"\n]', text.strip("\r\n")):
        raise ValueError("record_delimiter must not hold brackets or quotes, nor a newline between other characters")
