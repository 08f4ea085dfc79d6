"""Read STIX 2.1 patterns that say no more than "one of these values": comparisons joined by OR.

A pattern with more (AND, NOT, FOLLOWEDBY, qualifiers, LIKE, MATCHES, other objects) is never matched in part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .values import BOTH, Address, Name, read_value

__all__ = ["read_pattern"]

#: Maximum number of characters of a pattern.
_MAX_CHARACTERS = 1 << 16
_MAX_VALUES = 1_000

_OBJECTS = ("domain-name", "ipv4-addr", "ipv6-addr", "url")
_ONE = re.compile(r"\[\s*(domain-name|ipv4-addr|ipv6-addr|url):value\s*=\s*'([^'\\]*)'\s*\]")
_TOKEN = re.compile(
    r"\s*(?:([a-z0-9-]+:[A-Za-z0-9_.'\[\]*-]+)|'((?:[^'\\]|\\.)*)'|(!=|<=|>=|[\[\](),=<>])|([A-Za-z]+))", re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PATH, _STRING, _SIGN, _WORD, _END = range(5)
_OPERATORS = frozenset(("AND", "NOT", "FOLLOWEDBY", "LIKE", "MATCHES", "WITHIN", "REPEATS", "START", "STOP", "EXISTS"))
_OPERATORS_WITH_SETS = _OPERATORS | {"ISSUPERSET", "<", ">", "<=", ">=", "!="}


class _Unsupported(Exception):
    """The pattern is not read; the argument is the reason."""


def read_pattern(pattern: str) -> tuple[Name | Address, ...] | str:
    """Read a pattern; the str is the reason why it cannot be used (`SKIP_REASONS`)."""
    found = _ONE.fullmatch(pattern)
    try:
        if found is not None:
            return (_value(found[1], found[2]),)
        if len(pattern) > _MAX_CHARACTERS:
            return "pattern.unsupported"
        return _Parser(pattern).values()
    except _Unsupported as unsupported:
        if unsupported.args[0] != "pattern.unsupported":
            return str(unsupported.args[0])
    from .stix_library import comparisons

    compared = comparisons(pattern)
    if isinstance(compared, str):
        return compared
    try:
        return tuple(_value(kind, text) for kind, text in compared)
    except _Unsupported as unsupported:
        return str(unsupported.args[0])


def _value(kind: str, text: str) -> Name | Address:
    """Read the literal of a comparison with this object."""
    value = read_value(text)
    if isinstance(value, str):
        raise _Unsupported(value)
    if kind == "domain-name" and isinstance(value, Name) and "://" not in text and "/" not in text:
        return value._replace(flags=value.flags or BOTH)
    if kind in ("ipv4-addr", "ipv6-addr") and isinstance(value, Address) and "://" not in text:
        return value
    if kind == "url" and "://" in text:
        return value
    raise _Unsupported("name.syntax")


class _Parser:
    """A recursive descent without recursion: brackets and parentheses change nothing where all is OR."""

    def __init__(self, pattern: str) -> None:
        self._tokens = list(_tokens(pattern))
        self._at = 0

    def values(self) -> tuple[Name | Address, ...]:
        """Return the values that the pattern compares with."""
        found: list[Name | Address] = []
        closing: list[str] = []
        while True:
            # Before a comparison: opening signs. After it: closing ones.
            while (sign := self._sign()) in ("[", "("):
                if sign == "[" and "]" in closing:
                    raise _Unsupported("pattern.unsupported")
                closing.append("]" if sign == "[" else ")")
                self._at += 1
            if "]" not in closing:
                raise _Unsupported("pattern.unsupported")
            found.extend(self._comparison())
            if len(found) > _MAX_VALUES:
                raise _Unsupported("pattern.unsupported")
            while closing and self._sign() == closing[-1]:
                closing.pop()
                self._at += 1
            kind, text = self._next()
            if kind == _END and not closing:
                return tuple(found)
            if kind != _WORD or text != "OR":
                raise _refused(text)

    def _comparison(self) -> Iterator[Name | Address]:
        kind, path = self._next()
        if kind != _PATH:
            raise _refused(path)
        name, _, rest = path.partition(":")
        if name not in _OBJECTS or rest != "value":
            # A step in quotes can be `value`.
            raise _Unsupported("pattern.unsupported" if name in _OBJECTS and "'" in rest else "pattern.object")
        operator = self._next()[1]
        if operator == "=" or (operator == "ISSUBSET" and name.startswith("ip")):
            yield _value(name, self._string())
        elif operator == "IN":
            self._expect("(")
            while True:
                yield _value(name, self._string())
                if self._sign() == ")":
                    self._at += 1
                    return
                self._expect(",")
        else:
            raise _refused(operator)

    def _sign(self) -> str:
        kind, text = self._tokens[self._at]
        return text if kind == _SIGN else ""

    def _next(self) -> tuple[int, str]:
        token = self._tokens[self._at]
        self._at += token[0] != _END
        return token

    def _string(self) -> str:
        kind, text = self._next()
        if kind != _STRING:
            raise _refused(text)
        return _ESCAPE.sub(r"\1", text)

    def _expect(self, sign: str) -> None:
        if self._next() != (_SIGN, sign):
            raise _Unsupported("pattern.unsupported")


def _refused(text: str) -> _Unsupported:
    return _Unsupported("pattern.operator" if text in _OPERATORS_WITH_SETS else "pattern.unsupported")


def _tokens(pattern: str) -> Iterator[tuple[int, str]]:
    position, end = 0, len(pattern.rstrip())
    while position < end:
        found = _TOKEN.match(pattern, position)
        if found is None:
            raise _Unsupported("pattern.unsupported")
        kind = next(each for each in range(4) if found[each + 1] is not None)
        yield kind, found[kind + 1]
        position = found.end()
    yield _END, ""
