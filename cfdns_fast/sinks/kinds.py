"""The kinds of sinks: which module makes a sink of a URL, what it needs, and the table of all options."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from typing import NamedTuple, Protocol, cast

from .base import Sink, SinkContext, SinkSettingError, Wants
from .secrets import Secret
from .urls import Info, Option, Target, parse_target, redacted, split

__all__ = ["KINDS", "SinkInfo", "check_sink", "open_sink", "options_table"]


class SinkModule(Protocol):
    """What a module of a kind defines. Importing it imports no optional library; `open` does."""

    OPTIONS: tuple[Option, ...]
    INFO: Info

    def open(self, target: Target, context: SinkContext) -> Sink:
        """Return a sink; raises SinkSettingError, or SinkFault if the target cannot be used now."""


class Kind(NamedTuple):
    """A kind of sink: the module (imported on first use), and the library and the extra that it needs."""

    load: Callable[[], SinkModule]
    library: str | None
    extra: str


class SinkInfo(NamedTuple):
    """What is known of a sink before it is opened.

    Attributes
    ----------
    kind : str
        A key of `KINDS`.
    wants : {"raw", "ndjson", "arrow"}
        What `Piece.data` must be.
    guarantee : str
        One sentence on how often an event is delivered.
    url : str
        The URL without its query.
    """

    kind: str
    wants: Wants
    guarantee: str
    url: str


def _files() -> SinkModule:
    from . import files

    return cast(SinkModule, files)


def _stdout() -> SinkModule:
    from . import stdout

    return cast(SinkModule, stdout)


def _http() -> SinkModule:
    from . import http

    return cast(SinkModule, http)


def _elastic() -> SinkModule:
    from . import elastic

    return cast(SinkModule, elastic)


def _kafka() -> SinkModule:
    from . import kafka

    return cast(SinkModule, kafka)


def _objects() -> SinkModule:
    from . import objects

    return cast(SinkModule, objects)


#: Kinds by name.
KINDS: Mapping[str, Kind] = {
    "stdout": Kind(_stdout, None, "receiver"),
    "files": Kind(_files, None, "receiver"),
    "http": Kind(_http, "urllib3", "receiver"),
    "elasticsearch": Kind(_elastic, "elasticsearch", "elasticsearch"),
    "opensearch": Kind(_elastic, "opensearchpy", "opensearch"),
    "kafka": Kind(_kafka, "confluent_kafka", "kafka"),
    "objects": Kind(_objects, "obstore", "objects"),
}

#: Kinds by the scheme of the URL.
_SCHEMES = {
    "stdout": "stdout",
    "file": "files",
    "http": "http",
    "https": "http",
    "elasticsearch+http": "elasticsearch",
    "elasticsearch+https": "elasticsearch",
    "opensearch+http": "opensearch",
    "opensearch+https": "opensearch",
    "kafka": "kafka",
    "s3": "objects",
    "gs": "objects",
    "az": "objects",
}


def open_sink(url: str, context: SinkContext, *, environment: Mapping[str, str] = os.environ) -> Sink:
    """Return the sink of a URL.

    Parameters
    ----------
    url : str
        ``-`` or a URL; its scheme selects the kind, and its query holds the options.
    context : SinkContext
        What the sink may use of its process.
    environment : mapping
        Environment variables, for secrets.

    Raises
    ------
    SinkSettingError
        The URL cannot be used, or a library is missing. The message holds no secret.
    SinkFault
        The target cannot be used now.
    """
    module, target = _checked(url, environment)
    return module.open(target, context)


def check_sink(url: str, *, environment: Mapping[str, str] = os.environ, place: bool = False) -> SinkInfo:
    """Check the URL of a sink and its secrets without connecting; raises SinkSettingError.

    `place` also checks whether a target on this machine can be written now.
    """
    module, target = _checked(url, environment)
    if place and module.INFO.check_place is not None:
        try:
            module.INFO.check_place(target)
        except SinkSettingError as error:
            raise SinkSettingError(f"sink {target.url}: {error}") from None
    return SinkInfo(_SCHEMES[target.scheme], module.INFO.wants(target.options), module.INFO.guarantee, target.url)


def options_table() -> list[tuple[str, Option]]:
    """Return the name of each kind with each of its options, in the order of the documentation."""
    return [(name, option) for name, kind in KINDS.items() for option in kind.load().OPTIONS]


def _checked(url: str, environment: Mapping[str, str]) -> tuple[SinkModule, Target]:
    scheme = split(url).scheme.lower()
    name = _SCHEMES.get(scheme)
    if name is None:
        close = get_close_matches(scheme, _SCHEMES, n=2) or sorted(_SCHEMES)
        shown = f"unknown scheme {scheme!r}" if scheme else "the URL has no scheme"
        raise SinkSettingError(f"sink {redacted(url)}: {shown}; use {', '.join(close)}")
    kind = KINDS[name]
    if kind.library is not None and find_spec(kind.library) is None:
        raise SinkSettingError(
            f"sink {redacted(url)}: the library {kind.library} is missing: pip install 'cfdns-fast[{kind.extra}]'"
        )
    module = kind.load()
    target = parse_target(url, module.OPTIONS, environment)
    try:
        for value in target.options.values():
            if isinstance(value, Secret):
                value.read()
        if target.more_hosts and not module.INFO.takes_many_hosts:
            raise SinkSettingError("the URL has several hosts; this kind of sink takes one")
        if module.INFO.check is not None:
            module.INFO.check(target)
    except SinkSettingError as error:
        raise SinkSettingError(f"sink {target.url}: {error}") from None
    return module, target
