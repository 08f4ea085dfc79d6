"""Deterministic automata, as which regular expressions are compared with a text in linear time.

An automaton is bytes:

- 256 bytes: the class of each byte of UTF-8. A byte of class 255 is skipped, so that a character can be one step.
- 1 byte: the number of classes, 1 to 254.
- 2 bytes, little-endian as all numbers: the number of states, and 2 bytes: the first state.
- A byte for each state: 1 if a text that ends there matches.
- The table: 2 bytes for each state and class, the next state.

In state 0 the text can match no more, and in state 1 it has matched: no further byte is read.
"""

from __future__ import annotations

from array import array
from sys import byteorder

__all__ = ["SKIPPED", "automaton_matches", "automaton_of", "checked_automaton"]

SKIPPED = 255
MAX_STATES = 32_767
_CLASSES = 256
_HEAD = _CLASSES + 5


def automaton_of(classes: bytes, table: list[tuple[int, ...]], start: int, accepting: frozenset[int]) -> bytes:
    """Return an automaton as bytes. Rows of states 0 and 1 may be empty.

    Parameters
    ----------
    classes : bytes
        The class of each byte, `SKIPPED` for bytes that are skipped.
    table : list of tuples of int
        The next state, by state and class.
    start : int
        The first state.
    accepting : set of int
        The states in which a text that ends matches.
    """
    width = max(map(len, table), default=0) or 1
    states = max(len(table), 2)
    rows = [*table, *[()] * (states - len(table))]
    cells = array("H", [each for row in rows for each in (row or (0,) * width)])
    if byteorder == "big":
        cells.byteswap()
    head = bytes([width]) + states.to_bytes(2, "little") + start.to_bytes(2, "little")
    ends = bytes(state == 1 or state in accepting for state in range(states))
    return checked_automaton(classes + head + ends + cells.tobytes())


def checked_automaton(value: bytes) -> bytes:
    """Return an automaton. Raises ValueError if a class, a state or the size is wrong."""
    if not isinstance(value, bytes):
        raise ValueError(f"an automaton must be bytes, not {type(value).__name__}")
    if len(value) < _HEAD:
        raise ValueError("an automaton is too short")
    width, states, start, table = _parts(value)
    if not 0 < width < SKIPPED or not 2 <= states <= MAX_STATES or start >= states:
        raise ValueError("an automaton has a wrong number of classes or states")
    if len(value) != _HEAD + states + 2 * states * width:
        raise ValueError("an automaton has a wrong size")
    if max(table) >= states or any(each >= width for each in value[:_CLASSES] if each != SKIPPED):
        raise ValueError("an automaton has a wrong class or state")
    return value


def automaton_matches(value: bytes, text: bytes) -> bool:
    """Return whether an automaton matches a text: what the core does, in plain Python."""
    width, _, state, table = _parts(value)
    for byte in text:
        if state <= 1:
            break
        number = value[byte]
        if number != SKIPPED:
            state = table[state * width + number]
    return value[_HEAD + state] == 1


def _parts(value: bytes) -> tuple[int, int, int, array[int]]:
    """Return the number of classes and of states, the first state, and the table."""
    width = value[_CLASSES]
    states = int.from_bytes(value[_CLASSES + 1 : _CLASSES + 3], "little")
    start = int.from_bytes(value[_CLASSES + 3 : _HEAD], "little")
    cells = value[_HEAD + states :]
    table = array("H", cells[: len(cells) // 2 * 2])
    if byteorder == "big":
        table.byteswap()
    return width, states, start, table
