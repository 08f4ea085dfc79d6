"""Names of files and objects that hold batches: from the numbers of the batches and the time of the start."""

from __future__ import annotations

import re
import time

from .base import SinkSettingError

__all__ = ["SEQ_DIGITS", "check_prefix", "checked_template", "copy_of", "expanded", "fixed_part", "name_of"]

#: Numbers of batches have this many digits, so that names sort by them.
SEQ_DIGITS = 12

_FIELDS = {"date": "%Y-%m-%d", "hour": "%H"}
_FIELD = re.compile(r"\{([^{}]*)\}")
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_prefix(prefix: str) -> None:
    """Raise SinkSettingError if names cannot begin with this; empty text is the default of the option."""
    if prefix and not _PREFIX.fullmatch(prefix):
        raise SinkSettingError("option prefix: use 1 to 100 characters of A-Z, a-z, 0-9, . _ and -")


def checked_template(template: str) -> str:
    """Return a path with ``{date}`` and ``{hour}``; raises SinkSettingError if it has other braces."""
    for name in _FIELD.findall(template):
        if name not in _FIELDS:
            raise SinkSettingError(f"the path has {{{name}}}; it can have {{date}} and {{hour}}")
    if set(_FIELD.sub("", template)) & {"{", "}"}:
        raise SinkSettingError("the path has a single brace; it can have {date} and {hour}")
    return template


def expanded(template: str, seconds: float) -> str:
    """Return a path with the UTC date and hour of a time (seconds since 1970)."""
    at = time.gmtime(seconds)
    return _FIELD.sub(lambda found: time.strftime(_FIELDS[found[1]], at), template)


def fixed_part(template: str) -> str:
    """Return the leading folders of a path that have no field, without a slash at the end."""
    before = template.partition("{")[0]
    return before.rpartition("/")[0] if "{" in template else template.rstrip("/")


def name_of(prefix: str, first: int, last: int, suffix: str) -> str:
    """Return the name for the batches from `first` to `last`."""
    return f"{prefix}-{first:0{SEQ_DIGITS}}-{last:0{SEQ_DIGITS}}.{suffix}"


def copy_of(path: str, suffix: str, number: int) -> str:
    """Return another name for a path of `name_of`, for a name that is taken; `number` is 2 or more."""
    return f"{path.removesuffix('.' + suffix)}-{number}.{suffix}"
