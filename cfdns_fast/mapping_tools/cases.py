"""Read a file of cases. docs/mapping.md describes its form."""

from __future__ import annotations

from .. import CfdnsError
from ..mapping import Mapping
from ..mapping.positions import positions_of
from ..mapping.toml_file import TomlFault, read_toml
from .case import Case, Defaults
from .case_entries import EntryError, value_cases, whole_case

__all__ = ["CasesError", "read_cases"]

_TABLES = {"case": whole_case, "values": value_cases}
_MAX_BYTES = 1 << 26


class CasesError(CfdnsError, ValueError):
    """A file of cases cannot be used.

    Attributes
    ----------
    file : str
    line : int or None
        From 1; None if the fault is in no line.
    reason : str
        The fault, and what is allowed.
    """

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        self.file = file
        self.line = line
        self.reason = reason
        super().__init__(f"{file}{'' if line is None else f':{line}'}: {reason}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.file, self.line, self.reason)


def read_cases(content: bytes, file: str, mapping: Mapping) -> list[Case]:
    """Read the cases of a file.

    Parameters
    ----------
    content : bytes
        TOML in UTF-8.
    file : str
        The name of the file in errors.
    mapping : Mapping
        The mapping that the cases are about.

    Raises
    ------
    CasesError
        The content is not TOML, has no case, or a case is not as docs/mapping.md describes.
    """
    try:
        text, document = read_toml(content)
    except TomlFault as error:
        raise CasesError(file, error.line, str(error)) from None
    unknown = [key for key in document if key not in _TABLES]
    if unknown:
        raise CasesError(file, None, f"unknown key {unknown[0]!r}; allowed: {', '.join(_TABLES)}")
    defaults = Defaults(mapping)
    cases: list[Case] = []
    size_bytes = 0
    for table, read in _TABLES.items():
        entries = document.get(table, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise CasesError(file, None, f"{table} must be [[{table}]] entries")
        positions = positions_of(text, table)
        for number, entry in enumerate(entries, 1):
            line = positions.line_of(number) or 1
            try:
                for case in read(entry, line, defaults):
                    cases.append(case)
                    size_bytes += len(case.data)
                    if size_bytes > _MAX_BYTES:
                        raise EntryError(f"all inputs together may have at most {_MAX_BYTES >> 20} MiB")
            except EntryError as error:
                raise CasesError(file, line, str(error)) from None
    if not cases:
        raise CasesError(file, None, "must have at least one [[case]] or [[values]] entry")
    return sorted(cases, key=lambda case: case.line)
