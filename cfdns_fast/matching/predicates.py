"""Compile conditions to what the core evaluates, with a screen on the query name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from .._core import CompiledPredicates
from .automata import checked_automaton
from .conditions import FIELDS, MAX_PATTERN_BYTES, OPERATORS, And, Condition, Match, NofM, Not, Or

__all__ = ["Predicates", "network_of", "pieces_of_glob"]

#: Instructions of the core, and places where a piece of a name can stand (`_native/matching/predicates.hpp`).
_PATTERN, _ALL, _ANY, _NEGATION, _AT_LEAST = range(5)
_AT_END, _AT_START, _AFTER_DOT, _BEFORE_DOT, _AROUND_DOT, _ANYWHERE = range(6)

_MAX_DEPTH: Final = 64

_Piece = tuple[int, bytes]


class Predicates(CompiledPredicates):
    """Conditions, compiled. `Detection.rule` is the index of the condition; every condition that is true gives one.

    A record whose name is absent or not text matches nothing. Conditions that no name can be excluded from (for example
    only a type, or a negation) are evaluated for every record; the others cost a few nanoseconds a record together.

    Parameters
    ----------
    conditions : iterable of Condition

    Attributes
    ----------
    conditions : tuple of Condition

    Raises
    ------
    ValueError
        A field, an operator or a value is not allowed. The message begins with the index of the condition.
    """

    __slots__ = ("conditions",)
    conditions: tuple[Condition, ...]

    def __new__(cls, conditions: Iterable[Condition]) -> Predicates:
        given = tuple(conditions)
        compiler = _Compiler()
        for number, condition in enumerate(given):
            try:
                compiler.add(condition)
            except ValueError as error:
                raise ValueError(f"condition {number}: {error}") from None
        made = super().__new__(cls, compiler.patterns, compiler.compiled, sorted(compiler.fields))
        made.conditions = given
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Predicates, (self.conditions,)


class _Compiler:
    """The patterns and programs of all conditions. Equal patterns are stored once."""

    def __init__(self) -> None:
        self.patterns: list[tuple[int, int, bytes, bool]] = []
        self.compiled: list[tuple[list[tuple[int, int, int]], list[_Piece] | None]] = []
        self.fields: set[int] = set()
        self._indexes: dict[tuple[int, int, bytes, bool], int] = {}

    def add(self, condition: Condition) -> None:
        program: list[tuple[int, int, int]] = []
        pieces = self._compile(condition, program, 0)
        self.compiled.append((program, pieces))

    def _compile(self, condition: Condition, program: list[tuple[int, int, int]], depth: int) -> list[_Piece] | None:
        """Append the instructions. Returns pieces of which a name has one if the condition is true; None if unknown."""
        if depth > _MAX_DEPTH:
            raise ValueError(f"conditions are nested deeper than {_MAX_DEPTH}")
        if isinstance(condition, Match):
            return self._compile_match(condition, program)
        if isinstance(condition, Not):
            self._compile(condition.condition, program, depth + 1)
            program.append((_NEGATION, 0, 1))
            return None
        if not isinstance(condition, (And, Or, NofM)):
            raise ValueError(f"not a condition: {type(condition).__name__}")
        if not condition.conditions:
            raise ValueError(f"{type(condition).__name__} has no conditions")
        found = [self._compile(each, program, depth + 1) for each in condition.conditions]
        if isinstance(condition, And):
            program.append((_ALL, 0, len(found)))
            return _best(found)
        needed = 1
        if isinstance(condition, NofM):
            needed = condition.count
            if not 1 <= needed <= len(found):
                raise ValueError(f"count must be 1 to {len(found)}, not {needed!r}")
            program.append((_AT_LEAST, needed, len(found)))
        else:
            program.append((_ANY, 0, len(found)))
        known = [pieces for pieces in found if pieces is not None]
        # If fewer conditions than needed have unknown pieces, one of the others is true.
        return [*chain.from_iterable(known)] if len(found) - len(known) < needed else None

    def _compile_match(self, match: Match, program: list[tuple[int, int, int]]) -> list[_Piece] | None:
        if match.field not in FIELDS:
            raise ValueError(f"field must be one of {', '.join(FIELDS)}, not {match.field!r}")
        if match.operator not in OPERATORS:
            raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, not {match.operator!r}")
        if (match.operator == "exists") == bool(match.values):
            raise ValueError(f"{match.operator} takes {'no values' if match.values else 'at least one value'}")
        values = match.values or ("",)
        for value in values:
            program.append((_PATTERN, self._pattern(match, value), 0))
        if len(values) > 1:
            program.append((_ALL if match.all_of else _ANY, 0, len(values)))
        if match.field != "name" or match.operator in ("cidr", "exists", "automaton"):
            return None
        pieces = [_piece(match.operator, value.encode("utf-8")) for value in values if isinstance(value, str)]
        if match.all_of:
            return _best([None if piece is None else [piece] for piece in pieces])
        known = [piece for piece in pieces if piece is not None]
        return known if len(known) == len(pieces) else None

    def _pattern(self, match: Match, value: str | bytes) -> int:
        field = FIELDS.index(match.field)
        self.fields.add(field)
        pattern = (field, OPERATORS.index(match.operator), self._operand(match, value), match.cased)
        if pattern not in self._indexes:
            self._indexes[pattern] = len(self.patterns)
            self.patterns.append(pattern)
        return self._indexes[pattern]

    @staticmethod
    def _operand(match: Match, value: str | bytes) -> bytes:
        """Return a value as the core has it."""
        if match.operator == "automaton" and isinstance(value, bytes):
            return checked_automaton(value)
        if not isinstance(value, str) or match.operator == "automaton":
            kind = "bytes" if match.operator == "automaton" else "text"
            raise ValueError(f"a value must be {kind}, not {type(value).__name__}")
        text = value.encode("utf-8", "surrogatepass")
        if len(text) > MAX_PATTERN_BYTES:
            raise ValueError(f"a value has more than {MAX_PATTERN_BYTES} bytes")
        if match.operator == "glob":
            text = _glob(text)
        elif match.operator == "cidr":
            address, bits = network_of(value)
            text = address + bytes([bits])
        elif match.operator != "exists" and not text:
            raise ValueError("a value must not be empty")
        return text


def network_of(value: str) -> tuple[bytes, int]:
    """Return the address of a network as IPv6 (IPv4 is mapped), and the number of bits that count.

    Raises ValueError if the value is not a network.
    """
    network = ipaddress.ip_network(value, strict=False)
    if isinstance(network, ipaddress.IPv4Network):
        return b"\0" * 10 + b"\xff\xff" + network.network_address.packed, network.prefixlen + 96
    return network.network_address.packed, network.prefixlen


def pieces_of_glob(text: bytes) -> list[bytes | int]:
    """Return the literal stretches of a pattern as bytes, and its wildcards as the codes of ``*`` and ``?``."""
    pieces: list[bytes | int] = []
    literal = bytearray()
    at = 0
    while at < len(text):
        byte = text[at]
        if byte == ord("\\") and text[at + 1 : at + 2] in (b"*", b"?", b"\\"):
            at += 1
            literal.append(text[at])
        elif byte in b"*?":
            pieces += [bytes(literal)] if literal else []
            pieces.append(byte)
            literal.clear()
        else:
            literal.append(byte)
        at += 1
    return [*pieces, bytes(literal)] if literal else pieces


def _glob(text: bytes) -> bytes:
    """Return a pattern as the core has it: wildcards, and literal backslashes, after a backslash."""
    coded = (
        b"\\" + bytes([piece]) if isinstance(piece, int) else piece.replace(b"\\", rb"\\")
        for piece in pieces_of_glob(text)
    )
    return b"".join(coded)


def _piece(operator: str, value: bytes) -> _Piece | None:
    """Return a piece that every matching name has, and its place; None if the value is too short for one."""
    if operator == "glob":
        found = pieces_of_glob(value)
        ends = [("startswith", found[0])] if found and isinstance(found[0], bytes) else []
        ends += [("endswith", found[-1])] if found and isinstance(found[-1], bytes) else []
        inner = [("contains", each) for each in found if isinstance(each, bytes)]
        options = [_piece(kind, literal) for kind, literal in (*ends, *inner) if isinstance(literal, bytes)]
        known = [option for option in options if option is not None]
        return max(known, key=_strength, default=None)
    if operator == "startswith":
        # Four bytes suffice, and one size needs one test. Hosts such as "www." are an exception.
        size = 8 if len(value) >= 8 and value[:4].lower() in _HOSTS else 4 if len(value) >= 4 else 2
        return (_AT_START, value[:size]) if len(value) >= size else None
    if operator in ("equals", "endswith"):
        return (_AT_END, value[-8:] if len(value) >= 8 else value[-4:]) if len(value) >= 4 else None
    options = [_rarest(value)]
    for dot in (at for at, byte in enumerate(value) if byte == ord(".")):
        after, before = value[dot:], value[: dot + 1]
        options += [(_AROUND_DOT, before[-5:] + after[1:3])] if len(before) >= 5 and len(after) >= 3 else []
        options += [(_AFTER_DOT, after[:8] if len(after) >= 8 else after[:4])] if len(after) >= 4 else []
        options += [(_BEFORE_DOT, before[-8:] if len(before) >= 8 else before[-4:])] if len(before) >= 4 else []
    return max((option for option in options if option is not None), key=_strength, default=None)


def _rarest(value: bytes) -> _Piece | None:
    """Return three bytes of the value, those with the fewest common letters."""
    if len(value) < 3:
        return None
    windows = (value[at : at + 3] for at in range(len(value) - 2))
    return _ANYWHERE, min(windows, key=lambda window: sum(_COMMON.find(bytes([byte]).lower()) + 1 for byte in window))


#: The first four characters of many names.
_HOSTS = (b"www.", b"mail", b"smtp", b"ns1.", b"ns2.", b"api.", b"cdn.", b"auto", b"_dma", b"_dom")

#: The characters of names, the most frequent ones last.
_COMMON = b"jqxzvkfwybpguhdm-0123456789lcnrstioae."


def _strength(piece: _Piece) -> tuple[bool, bool, int, bool]:
    """Return a key: pieces at known places are better than others, then those around dots, longer ones, before dots.

    The end of a value is often a common suffix, and the fewer kinds of places there are, the less a name costs.
    """
    place, piece_bytes = piece
    return place != _ANYWHERE, place == _AROUND_DOT, len(piece_bytes), place == _BEFORE_DOT


def _best(found: list[list[_Piece] | None]) -> list[_Piece] | None:
    """Return the pieces of the condition with the fewest names; None if none has pieces."""
    known = [pieces for pieces in found if pieces is not None]
    return min(known, key=lambda pieces: (not min(map(_strength, pieces))[0], len(pieces)), default=None)
