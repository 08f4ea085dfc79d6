"""The options of ``cfdns-fast receive`` that are attributes of the settings, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..receiver.settings import Settings, SettingsError, parse_duration, parse_size

__all__ = ["PATH_TYPE", "VALUES", "Parsed", "SinkType", "Value", "name_of", "value_options"]

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    # Generic since click 8.4.
    _ParamType = click.ParamType

_DEFAULTS = {field.name: field.default for field in fields(Settings)}


class Parsed(_ParamType):
    """A value of the command line, the environment or the file that a function of the settings parses."""

    def __init__(self, name: str, parse: Callable[[str, str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed value."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.fail("must be a number or text", param, ctx)
        name = "" if param is None else param.opts[0]
        try:
            return self._parse(str(value), name)
        except SettingsError as error:
            self.fail(str(error).removeprefix(f"{name}: "), param, ctx)


class FilePath(click.Path):
    """A path that is not empty: an empty variable of a shell must not name the working directory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)  # the messages of the receiver say more

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            self.fail("must not be empty", param, ctx)
        return super().convert(value, param, ctx)


class SinkType(_ParamType):
    """A URL, ``NAME=URL``, or a table of the file."""

    name = "sink"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value; `sinks_of` reads it."""
        return value


class Value(NamedTuple):
    """An option that is one attribute of the settings."""

    flag: str
    field: str
    kind: Any
    metavar: str | None
    help: str


_SIZE = Parsed("size", parse_size)
_DURATION = Parsed("duration", parse_duration)
PATH_TYPE = FilePath()

VALUES = (
    Value("--listen", "listen", str, "HOST:PORT", "Where batches are received; also [IPv6]:PORT or unix:PATH."),
    Value("--key-header", "key_header", str, "NAME", "The header that holds the key."),
    Value("--tls-cert", "tls_cert", PATH_TYPE, "FILE", "The certificate with its chain, PEM; together with --tls-key."),
    Value("--tls-key", "tls_key", PATH_TYPE, "FILE", "The key of the certificate, PEM."),
    Value("--client-ca", "client_ca", PATH_TYPE, "FILE", "Require client certificates of these authorities, PEM."),
    Value("--max-body", "max_body_bytes", _SIZE, "SIZE", "The maximum size of a body."),
    Value("--max-decoded", "max_decoded_bytes", _SIZE, "SIZE", "The maximum size of a decoded body."),
    Value("--max-members", "max_members", click.INT, "N", "The maximum number of gzip members of a body."),
    Value(
        "--max-ratio",
        "max_ratio",
        click.INT,
        "N",
        "The maximum ratio of decoded to compressed size; bodies below 1 MiB decoded may have any.",
    ),
    Value("--in-flight", "in_flight_bytes", _SIZE, "SIZE", "The maximum size of all bodies being received."),
    Value(
        "--max-requests-per-key",
        "max_requests_per_key",
        click.INT,
        "N",
        "The maximum number of open requests of one key.",
    ),
    Value(
        "--max-connections",
        "max_connections",
        click.INT,
        "N",
        "The maximum number of open connections; 0 is what ulimit -n allows.",
    ),
    Value("--header-timeout", "header_timeout_s", _DURATION, "TIME", "The maximum time for the headers of a request."),
    Value("--body-timeout", "body_timeout_s", _DURATION, "TIME", "The maximum time for a body."),
    Value(
        "--idle-timeout", "idle_timeout_s", _DURATION, "TIME", "The maximum time between two requests of a connection."
    ),
    Value(
        "--drain",
        "drain_s",
        _DURATION,
        "TIME",
        "The maximum time for open requests, and then for the sinks (up to 20s), at the end.",
    ),
    Value("--max-spool", "max_spool_bytes", _SIZE, "SIZE", "Refuse batches with 503 while the spool has this size."),
    Value("--min-free", "min_free_bytes", _SIZE, "SIZE", "Refuse batches with 503 below this free space."),
    Value("--segment", "segment_bytes", _SIZE, "SIZE", "The size of a file of the spool."),
    Value("--segment-age", "segment_s", _DURATION, "TIME", "The age at which a file of the spool is closed."),
    Value(
        "--dedupe",
        "dedupe_s",
        _DURATION,
        "TIME",
        "For this time, store a batch that is sent again only once; off stores it again.",
    ),
    Value("--keep", "keep_s", _DURATION, "TIME", "Keep delivered batches for this time, for replays."),
    Value("--max-dead-letters", "max_dead_letter_bytes", _SIZE, "SIZE", "The maximum size of dead letters of a sink."),
    Value("--max-rejects", "max_reject_bytes", _SIZE, "SIZE", "The maximum size of rejects of a sink."),
    Value("--answer", "answer", click.Choice(["short", "event_ids"]), None, "The body of an answer 200."),
    Value(
        "--metrics-listen",
        "metrics_listen",
        str,
        "HOST:PORT",
        "Where /metrics, /healthz and /readyz are served; or off.",
    ),
    Value("--log-format", "log_format", click.Choice(["text", "json"]), None, "The format of the log."),
)


def value_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options of `VALUES` to a command, in their order."""
    for value in reversed(VALUES):
        default = _default(value)
        function = click.option(
            value.flag,
            metavar=value.metavar,
            type=value.kind,
            default=default,
            show_default=default is not None,
            help=value.help,
        )(function)
    return function


def _default(value: Value) -> Any:
    """Return the default of an option, as text if it has a unit."""
    default: Any = _DEFAULTS[value.field]
    if value.kind is _DURATION:
        return _with_unit(default, ((3600, "h"), (60, "m"), (1, "s"))) if default else "off"
    if value.kind is _SIZE:
        return _with_unit(default, ((1 << 30, "GiB"), (1 << 20, "MiB")))
    return default


def _with_unit(value: float, units: tuple[tuple[int, str], ...]) -> str:
    return next((f"{value / size:g}{unit}" for size, unit in units if value % size == 0), f"{value:g}")


def name_of(flag: str) -> str:
    """Return the name that an option has in the file and in click."""
    return flag.removeprefix("--").replace("-", "_")
