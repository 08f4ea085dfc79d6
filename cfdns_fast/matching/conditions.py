"""Conditions on query names and other fields of an event, which `Predicates` compiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FIELDS", "MAX_PATTERN_BYTES", "OPERATORS", "And", "Condition", "Match", "NofM", "Not", "Or"]

#: The fields that a condition may name:
#:
#: - ``name``: the query name as sent, without dots at its ends.
#: - ``type``, ``rcode``, ``source``: the values of ``dns.question.type``, ``dns.response_code`` and ``source.ip`` as
#:   the event has them; in OCSF of ``query.type`` and ``src_endpoint.ip``. A mapping that lacks the target cannot be
#:   used with such a condition.
FIELDS: Final = ("name", "type", "rcode", "source")

#: How a value is compared:
#:
#: - ``equals``, ``contains``, ``startswith``, ``endswith``: as strings. ``endswith`` does not stop at dots.
#: - ``glob``: the whole field, in which ``*`` stands for any text and ``?`` for one character (one byte of UTF-8). A
#:   backslash before ``*``, ``?`` or a backslash makes it literal.
#: - ``cidr``: the field is an address in the network.
#: - ``exists``: the field has a value; `Match.values` is empty.
#: - ``automaton``: a regular expression, as the bytes that `automata` describes. Put it into an `And` with a condition
#:   on the texts that it needs, because it screens no names itself.
OPERATORS: Final = ("equals", "contains", "startswith", "endswith", "glob", "cidr", "exists", "automaton")

#: Maximum size of a value of a `Match`.
MAX_PATTERN_BYTES = 1023


@dataclass(frozen=True, slots=True)
class Match:
    """A comparison of one field.

    Attributes
    ----------
    field : str
        One of `FIELDS`. A field that has no value matches nothing.
    operator : str
        One of `OPERATORS`.
    values : tuple of str, of bytes for automata
        The values to compare with; one of them must match.
    cased : bool
        Whether the case of ASCII letters counts.
    all_of : bool
        Whether all values must match.
    """

    field: str
    operator: str
    values: tuple[str | bytes, ...] = ()
    cased: bool = False
    all_of: bool = False


@dataclass(frozen=True, slots=True)
class And:
    """All of the conditions are true."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the conditions is true, or several."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition is false."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class NofM:
    """At least `count` of the conditions are true."""

    count: int
    conditions: tuple[Condition, ...]


Condition = Match | And | Or | Not | NofM
