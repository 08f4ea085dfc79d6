"""URLs of sinks: their parts, and the options in their query, checked by what a kind of sink declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

from .base import SinkSettingError, Wants
from .secrets import Secret

__all__ = ["Info", "Option", "OptionType", "Target", "parse_duration", "parse_size", "parse_target", "redacted"]

OptionType = Literal["size", "duration", "choice", "bool", "int", "text", "secret"]

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
#: A port that is no number may be a password; the host of a wrong URL is shown otherwise.
_SHOWN = re.compile(r"[^:@\[\]]*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SIZE = re.compile(r"([0-9]{1,15})(B|KB|MB|GB|KiB|MiB|GiB)?", re.IGNORECASE)
_SIZES = {"b": 1, "kb": 1000, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_DURATIONS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_BOOLS = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


class Option(NamedTuple):
    """An option of a kind of sink, as its URL has it.

    Attributes
    ----------
    name : str
        The name in the query. A secret is given as ``name_file=PATH``, ``name=env:NAME`` or ``name=credential:NAME``.
    type : str
        The form of the value: sizes (``256MiB``) become bytes, durations (``5m``) seconds, a secret a `Secret`.
    default : object
        The value if the option is absent, of the parsed type, or the text that `type` parses.
    help : str
        One sentence without a full stop.
    choices : tuple of str
        The allowed values of a choice.
    minimum, maximum : float or None
        The limits of a size (bytes), a duration (seconds) or an integer.
    """

    name: str
    type: OptionType
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The parsed URL of a sink.

    Attributes
    ----------
    scheme : str
        In lower case, for example ``"elasticsearch+https"``.
    host : str
        Without brackets; empty if the URL has none.
    port : int or None
        None if the URL has none.
    path : str
        With its leading slash, decoded; of ``s3://bucket/prefix`` it is ``"/prefix"``.
    raw_path : str
        The path as it is in the URL.
    options : mapping
        A value for each option that the kind declares.
    url : str
        The URL without its query, for messages.
    more_hosts : tuple of str
        Further ``HOST`` or ``HOST:PORT`` after commas; only for kinds with `Info.takes_many_hosts`.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    raw_path: str
    options: Mapping[str, Any]
    url: str
    more_hosts: tuple[str, ...] = ()

    @property
    def authority(self) -> str:
        """The host, in brackets if it is an IPv6 address, and the port if the URL has one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class Info(NamedTuple):
    """What a kind of sink says about itself.

    Attributes
    ----------
    wants : callable
        Returns what `Piece.data` must be, from the options.
    guarantee : str
        One sentence on how often an event is delivered.
    check : callable or None
        Raises SinkSettingError if the URL cannot be used; connects to no host and changes no file.
    takes_many_hosts : bool
        Whether the URL can have several hosts with commas between them.
    check_place : callable or None
        Raises SinkSettingError if the target, which is on this machine, cannot be written now; changes nothing. A sink
        starts all the same, because a file system may be mounted later.
    """

    wants: Callable[[Mapping[str, Any]], Wants]
    guarantee: str
    check: Callable[[Target], None] | None = None
    takes_many_hosts: bool = False
    check_place: Callable[[Target], None] | None = None


def parse_target(url: str, options: tuple[Option, ...], environment: Mapping[str, str]) -> Target:
    """Parse the URL of a sink with the options of its kind; raises SinkSettingError without secrets in its message."""
    parts = split(url)
    if "@" in parts.netloc:
        raise SinkSettingError(
            f"sink {redacted(url)}: user names and passwords cannot be in the URL; use key_file=PATH, "
            "password_file=PATH, or key= and password= with env:NAME or credential:NAME"
        )
    if parts.fragment:
        raise SinkSettingError(f"sink {redacted(url)}: a URL of a sink has no fragment; write # as %23")
    first, *more = parts.netloc.split(",")
    parts = parts._replace(netloc=first)
    try:
        port = parts.port
    except ValueError:
        raise SinkSettingError(f"sink {redacted(url)}: the port is not a number from 0 to 65535") from None
    if not all(map(_HOST.fullmatch, [first, *more] if first else more)):
        raise SinkSettingError(f"sink {redacted(url)}: each host is a name or an address, with or without a port")
    try:
        values = _values(parts.query, options, environment)
    except SinkSettingError as error:
        raise SinkSettingError(f"sink {redacted(url)}: {error}") from None
    return Target(
        scheme=parts.scheme.lower(),
        host=parts.hostname or "",
        port=port,
        path=unquote(parts.path),
        raw_path=parts.path,
        options=values,
        url=redacted(url),
        more_hosts=tuple(more),
    )


def split(url: str) -> SplitResult:
    """Return the parts of a URL; ``-`` is short for ``stdout:``."""
    if url != url.strip() or _CONTROL.search(url):
        raise SinkSettingError("a URL of a sink has no spaces around it and no control characters")
    try:
        return urlsplit("stdout:" if url == "-" else url)
    except ValueError:
        raise SinkSettingError("a URL of a sink cannot be parsed: brackets belong around IPv6 addresses only") from None


def redacted(url: str) -> str:
    """Return the URL without user name, password, query and fragment.

    A password that is not encoded can end the host in the wrong place: what does not look like hosts is not shown.
    """
    start = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = start.partition("://")
    if not separator:
        return start.rpartition("@")[2]
    authority, slash, path = rest.partition("/")
    hosts = authority.rpartition("@")[2]
    if hosts and not all(map(_SHOWN.fullmatch, hosts.split(","))):
        return f"{scheme}://(not shown)"
    return f"{scheme}://{hosts}{slash}{path}"


def parse_size(text: str) -> int:
    """Return bytes of ``256MiB``, ``1GB`` or ``1000``; raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError("use a number of bytes, or a number with KB, MB, GB, KiB, MiB or GiB, such as 256MiB")
    return int(found[1]) * _SIZES[(found[2] or "B").lower()]


def parse_duration(text: str) -> float:
    """Return seconds of ``500ms``, ``30s``, ``5m``, ``1h`` or ``1d``; raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError("use a number with ms, s, m, h or d, such as 5m")
    return float(found[1]) * _DURATIONS[found[2]]


def _values(query: str, options: tuple[Option, ...], environment: Mapping[str, str]) -> dict[str, Any]:
    by_name = {option.name: option for option in options}
    for option in options:
        if option.type == "secret":
            by_name[f"{option.name}_file"] = option
    values: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        name, _, encoded = pair.partition("=")
        name = unquote_plus(name)
        found = by_name.get(name)
        if found is None:
            # A pair without a value is not an option: it may be a secret, or a part of one.
            raise SinkSettingError(_unknown(name if "=" in pair else "", by_name))
        if found.name in values:
            raise SinkSettingError(f"option {found.name} is set twice")
        # A plus sign is kept: values are paths and patterns, not texts of forms.
        text = unquote(encoded)
        if found.type == "secret":
            source = f"file:{text}" if name != found.name else text
            values[found.name] = Secret(found.name, source, environment)
        else:
            values[found.name] = _value(found, text)
    for option in options:
        if option.name not in values:
            default = option.default
            is_text = isinstance(default, str) and option.type in ("size", "duration")
            values[option.name] = _value(option, default) if is_text else default
    return values


def _value(option: Option, text: str) -> Any:
    try:
        value = _parsed(option, text)
    except ValueError as error:
        raise SinkSettingError(f"option {option.name}: {error}") from None
    if option.minimum is not None and value < option.minimum:
        raise SinkSettingError(f"option {option.name}: the minimum is {option.minimum:g}{_unit(option)}")
    if option.maximum is not None and value > option.maximum:
        raise SinkSettingError(f"option {option.name}: the maximum is {option.maximum:g}{_unit(option)}")
    return value


def _parsed(option: Option, text: str) -> Any:
    if option.type == "size":
        return parse_size(text)
    if option.type == "duration":
        return parse_duration(text)
    if option.type == "int":
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise ValueError("use a whole number")
        return int(text)
    if option.type == "bool":
        if text.lower() not in _BOOLS:
            raise ValueError("use on or off")
        return _BOOLS[text.lower()]
    if option.type == "choice" and text not in option.choices:
        raise ValueError(f"use {_either(option.choices)}")
    return text


def _unit(option: Option) -> str:
    return {"size": " bytes", "duration": " seconds"}.get(option.type, "")


def _unknown(name: str, known: Mapping[str, Option]) -> str:
    if not known:
        return f"unknown option {name!r}; this kind of sink has no options"
    close = get_close_matches(name, known, n=3) or sorted(known)
    # A name that is not a word may be a part of a secret that was not encoded.
    shown = repr(name) if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,40}", name) else "(not shown)"
    return f"unknown option {shown}; did you mean {_either(close)}?"


def _either(names: tuple[str, ...] | list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
