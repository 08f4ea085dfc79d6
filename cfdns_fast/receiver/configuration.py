"""The configuration file of the receiver, and the sinks that options and tables name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..io import read_regular
from .detect_settings import DetectSettings
from .settings import SettingsError, SinkSettings

__all__ = ["read_configuration", "sinks_of"]

#: The maximum size of a configuration file.
MAX_FILE_BYTES = 1 << 20

_SINK_TABLE = "sink"
_DETECT_TABLE = "detect"
_DETECT_KEYS = ("alerts", *(field.name.removesuffix("_s") for field in fields(DetectSettings)))
_SINK_KEYS = tuple(field.name for field in fields(SinkSettings))
#: TOML adds a key to the table before it.
_BEFORE_TABLES = "is one of the receiver: write it before the first table"
_NAMED = re.compile(r"([A-Za-z0-9_-]+)=(.*)", re.DOTALL)


def read_configuration(path: Path, known: Collection[str], path_keys: Collection[str]) -> dict[str, Any]:
    """Return the values of a TOML file by the names of options.

    Hyphens in keys are underscores. A relative path is relative to the folder of the file. The keys of the table
    ``[detect]`` are options too, which have no other place in the file; ``sliver = true`` is the option ``detect``.

    Parameters
    ----------
    path : Path
    known : collection of str
        The names of the options, besides ``[[sink]]`` tables.
    path_keys : collection of str
        The keys whose values are paths.

    Raises
    ------
    SettingsError
        The file is no regular file, cannot be read, or has a key that is not known.
    """
    try:
        data, _ = read_regular(path, MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise SettingsError(f"{path}: it is larger than 1 MiB")
        document = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or 'it cannot be read'}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    values: dict[str, Any] = {}
    known = set(known) - set(_DETECT_KEYS)
    for key, value in document.items():
        name = key.replace("-", "_")
        if name == _DETECT_TABLE and name in known:
            values |= _detect_table(path, value, path_keys, known)
            continue
        if name not in known:
            places = {
                f"belongs to the table [{_DETECT_TABLE}]": _DETECT_KEYS,
                "belongs to a table [[sink]]": _SINK_KEYS,
            }
            raise SettingsError(f"{path}: {_unknown(key, known, places)}")
        if name in values:
            raise SettingsError(f"{path}: {key} is given twice")
        if name == _SINK_TABLE:
            values[name] = _sink_tables(path, value, known)
        elif isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value)):
            raise SettingsError(f"{path}: {key} is not a table")
        else:
            values[name] = _resolved(path, value) if name in path_keys else value
    return values


def sinks_of(given: Iterable[str | Mapping[str, Any]], defaults: Mapping[str, Any]) -> tuple[SinkSettings, ...]:
    """Return the sinks that ``URL``, ``NAME=URL`` and tables of the file name.

    Parameters
    ----------
    defaults : mapping
        Options of the conversion, for sinks that do not set their own.

    Raises
    ------
    SettingsError
        Two sinks of one kind have no names, or a name or an option is invalid.
    """
    found: list[SinkSettings] = []
    derived: set[str] = set()
    for each in given:
        members = dict(each) if isinstance(each, Mapping) else _split(each)
        if "name" not in members:
            name = _kind_of(members["url"])
            if name in derived:
                raise SettingsError(f"sinks: two sinks have no name and the scheme {name!r}: write NAME=URL")
            derived.add(name)
            members["name"] = name
        found.append(SinkSettings(**{**defaults, **members}))
    return tuple(found)


def _split(text: str) -> dict[str, Any]:
    found = _NAMED.fullmatch(text)
    return {"name": found[1], "url": found[2]} if found else {"url": text}


def _kind_of(url: str) -> str:
    """Return a name for a sink: the scheme of its URL. It must not depend on the order of the sinks."""
    if url == "-":
        return "stdout"
    return re.sub(r"[^a-z0-9]+", "-", url.partition(":")[0].lower()).strip("-") or "sink"


def _sink_tables(path: Path, tables: object, receiver_keys: Collection[str]) -> list[dict[str, Any]]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{path}: write each sink as a table [[sink]]")
    found = []
    for number, table in enumerate(tables, 1):
        members: dict[str, Any] = {}
        for key, value in table.items():
            name = key.replace("-", "_")
            if name not in _SINK_KEYS:
                raise SettingsError(
                    f"{path}: sink {number}: {_unknown(key, _SINK_KEYS, {_BEFORE_TABLES: receiver_keys})}"
                )
            kind = bool if name in ("keep_message", "private_suffixes", "alerts", "annotate") else str
            if type(value) is not kind:
                raise SettingsError(
                    f"{path}: sink {number}: {key} must be {'true or false' if kind is bool else 'text'}"
                )
            members[name] = value
        if "url" not in members:
            raise SettingsError(f"{path}: sink {number}: it has no url")
        if "schema" in members and members["schema"].endswith(".toml"):
            members["schema"] = _resolved(path, members["schema"])
        found.append(members)
    return found


def _resolved(path: Path, value: object) -> object:
    if not isinstance(value, str) or not value or re.match(r"(env|credential):", value):
        return value
    return str(path.absolute().parent / value)


def _detect_table(
    path: Path, table: object, path_keys: Collection[str], receiver_keys: Collection[str]
) -> dict[str, Any]:
    """Return the values of the table by the names of options."""
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: write what to look for as a table [detect]")
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in _DETECT_KEYS:
            raise SettingsError(f"{path}: detect: {_unknown(key, _DETECT_KEYS, {_BEFORE_TABLES: receiver_keys})}")
        if isinstance(value, dict):
            raise SettingsError(f"{path}: detect: {key} is not a table")
        if name in path_keys:
            texts = value if isinstance(value, list) else [value]
            values[name] = [_resolved(path, each) for each in texts]
        elif name == "sliver":
            if not isinstance(value, bool):
                raise SettingsError(f"{path}: detect: {key} must be true or false")
            values[_DETECT_TABLE] = [name] if value else []
        else:
            values[name] = value
    return values


def _unknown(key: str, known: Collection[str], places: Mapping[str, Collection[str]]) -> str:
    """Return what is wrong with a key; `places` says what to do with those of other parts of the file."""
    name = key.replace("-", "_")
    for place, names in places.items():
        if name in names:
            return f"the key {key!r} {place}"
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"
    return f"unknown key {key!r}; {hint}"
