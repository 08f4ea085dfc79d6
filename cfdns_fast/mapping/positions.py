"""Find the lines of the entries of a TOML file and of their keys, which tomllib does not give."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field

__all__ = ["Positions", "positions_of"]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|\#[^\n]*"
    r"|[^\s\[\]{}=,.#\"']+"
    r"|[\[\]{}=,.\n]",
    re.DOTALL,
)
#: The depth of the keys of an entry in ``field = [{…}]``.
_ENTRY_DEPTH = 2


@dataclass(slots=True)
class Positions:
    """Lines of a file, from 1.

    Attributes
    ----------
    keys : dict of str to int
        The lines of the keys of the top level.
    entries : list of (int, dict of str to int)
        The line of each entry of the array of tables, and the lines of its keys.
    """

    keys: dict[str, int] = field(default_factory=dict)
    entries: list[tuple[int, dict[str, int]]] = field(default_factory=list)

    def line_of(self, number: int, key: str | None = None) -> int | None:
        """Return the line of a key of an entry, the entry's line if it has no such key; entries count from 1."""
        if not 0 < number <= len(self.entries):
            return None
        line, keys = self.entries[number - 1]
        return keys.get(key or "", line)


def positions_of(text: str, table: str = "field") -> Positions:
    """Return where the entries of an array of tables are.

    Parameters
    ----------
    text : str
        TOML without a fault. The lines of other text are of no use.
    table : str
        The name of the array: ``[[field]]``, or ``field = [{…}]``.
    """
    scanner = _Scanner(table)
    for token in _TOKEN.findall(text + "\n"):
        scanner.read(token)
    return scanner.found


class _Scanner:
    """Reads tokens. Only the keys before ``=`` and in headers matter, so values are counted by their brackets."""

    def __init__(self, table: str) -> None:
        self.found = Positions()
        self._table = table
        self._line = 1
        self._depth = 0  # of brackets in the value
        self._path: list[str] = []
        self._reads_key = True
        self._header_brackets = 0
        self._is_entries = False  # whether the value is the array of tables
        self._section = self.found.keys

    def read(self, token: str) -> None:
        """Read the next token."""
        if token == "\n":
            self._end_line()
        elif token.startswith("#"):
            pass
        elif self._header_brackets or (token == "[" and self._reads_key and not self._path and not self._depth):
            if token in {"[", "]"}:
                self._header_brackets += token == "["
            elif token != ".":
                self._path.append(_key(token))
        elif self._reads_key and token not in {"{", "}", "[", "]", ",", "."}:
            self._read_key(token)
        else:
            self._read_value(token)
        self._line += token.count("\n")

    def _read_key(self, token: str) -> None:
        if token != "=":
            self._path.append(_key(token))
            return
        self._section.setdefault(self._path[0], self._line)
        if not self._depth:
            self._is_entries = self._section is self.found.keys and self._path == [self._table]
        self._reads_key = False

    def _read_value(self, token: str) -> None:
        if token in {"[", "{"}:
            self._depth += 1
        elif token in {"]", "}"}:
            self._depth -= 1
        if self._is_entries and self._depth == _ENTRY_DEPTH and token in {"{", ","}:
            if token == "{":
                self.found.entries.append((self._line, {}))
                self._section = self.found.entries[-1][1]
            self._path = []
            self._reads_key = True
        elif self._is_entries and not self._depth and token == "]":
            self._section = self.found.keys

    def _end_line(self) -> None:
        if self._depth:
            return
        if self._header_brackets:
            self._open_section()
        self._path = []
        self._reads_key = True
        self._header_brackets = 0
        self._is_entries = False

    def _open_section(self) -> None:
        head, *rest = self._path
        self._section = {}
        if head != self._table:
            self.found.keys.setdefault(head, self._line)
        elif rest and self.found.entries:
            self.found.entries[-1][1].setdefault(rest[0], self._line)
        elif not rest and self._header_brackets > 1:
            self.found.entries.append((self._line, self._section))
        else:
            self.found.keys.setdefault(head, self._line)


def _key(token: str) -> str:
    return next(iter(tomllib.loads(f"{token} = 0"))) if token[0] in "\"'" else token
