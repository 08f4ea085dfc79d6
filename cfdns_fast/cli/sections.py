"""A command whose help shows its options in sections, and values of options with a hint for a typing error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

__all__ = ["NameOf", "Parsed", "SectionedCommand", "close_to"]

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    # Generic since click 8.4.
    _ParamType = click.ParamType


class SectionedCommand(click.Command):
    """A command with options in sections.

    Parameters
    ----------
    sections : mapping
        The options of each section by its heading, for example ``{"Parquet": ("--names",)}``. Options of no section
        are shown after them.
    """

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[str]] | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sections = dict(sections or {})

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, one section after the other."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        records = {each.opts[-1]: each.get_help_record(ctx) for each in options}
        for heading, names in self.sections.items():
            _write_section(formatter, heading, [records.pop(name) for name in names])
        _write_section(formatter, "Options", list(records.values()))


def _write_section(formatter: click.HelpFormatter, heading: str, records: Sequence[tuple[str, str] | None]) -> None:
    rows = [record for record in records if record is not None]
    if rows:
        with formatter.section(heading):
            formatter.write_dl(rows)


class NameOf(click.Choice):  # type: ignore[type-arg]
    """One of several names, with the closest one in the error."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value."""
        if value not in self.choices:
            names = [str(choice) for choice in self.choices]
            self.fail(f"{value!r} is not one of {', '.join(names)}{close_to(str(value), names)}", param, ctx)
        return value


class Parsed(_ParamType):
    """A value that a function reads; a ValueError of the function is wrong usage."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the function reads; a default that is no text stays as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def close_to(name: str, known: Sequence[str]) -> str:
    """Return a question with the known name that is closest to `name`; empty if none is close."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
