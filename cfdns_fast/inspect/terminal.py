"""A summary on a terminal, with colours and bars, by rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .sections import Section, sections_of
from .sparklines import bar
from .summary import Summary
from .widths import BAR_WIDTH, GAP, column_widths, cut

try:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    raise ImportError(
        "the tables for a terminal need rich: pip install 'cfdns-fast[inspect]'; | cat shows plain text", name="rich"
    ) from error

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["print_summary"]

_MIN_WIDTH = 60
#: The characters of bars, sparklines and cut texts, and what a terminal shows that has not all of them.
_DRAWN, _INSTEAD = "▁▂▃▄▅▆▇█▏▎▍▌▋▊▉…", "1234567#-------~"


def print_summary(summary: Summary, file: TextIO) -> None:
    """Print a summary; without colour if the environment has NO_COLOR, and in the encoding of the file."""
    if not _can_draw(file):
        file = cast("TextIO", _Encodable(file))
    # A terminal may report no size, and rich cannot draw in no columns.
    console = Console(file=file, highlight=False, markup=False, emoji=False)
    if console.width < _MIN_WIDTH:
        console = Console(file=file, highlight=False, markup=False, emoji=False, width=_MIN_WIDTH)
    for number, section in enumerate(sections_of(summary)):
        if number:
            console.print()
        _print_section(console, section)


def _print_section(console: Console, section: Section) -> None:
    console.print(Text(section.title, style="bold"))
    table = Table(
        box=None, show_header=any(section.headers), header_style="dim", pad_edge=False, padding=(0, len(GAP), 0, 0)
    )
    widths = column_widths(section, console.width)
    for header, is_text, width in zip(section.headers, section.is_text, widths, strict=True):
        table.add_column(header, justify="left" if is_text else "right", no_wrap=True, width=width)
    if section.shares:
        table.add_column("", no_wrap=True, width=BAR_WIDTH)
    for number, row in enumerate(section.rows):
        # Text and not str, so that nothing in a name is markup.
        shown = [Text(cut(cell, width)) for cell, width in zip(row, widths, strict=True)]
        if section.shares:
            shown.append(Text(bar(section.shares[number], BAR_WIDTH), style="cyan"))
        table.add_row(*shown)
    console.print(table)
    if section.note:
        console.print(Text(section.note, style="dim"))


def _can_draw(file: TextIO) -> bool:
    try:
        _DRAWN.encode(_encoding(file))
    except UnicodeEncodeError:
        return False
    return True


def _encoding(file: TextIO) -> str:
    return file.encoding or "utf-8"


class _Encodable:
    """A file with another encoding than UTF-8: bars are drawn in ASCII, and other characters become escapes."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        """Write a text, as far as the encoding has its characters."""
        encoding = _encoding(self._file)
        drawn = text.translate(str.maketrans(_DRAWN, _INSTEAD))
        return self._file.write(drawn.encode(encoding, "backslashreplace").decode(encoding))
