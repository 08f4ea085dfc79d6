"""The command ``cfdns-fast status``: what a directory or a prefix that ``convert`` writes holds, and what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .convert_options import store_options
from .json_line import json_line
from .report import by_code, printable

if TYPE_CHECKING:
    from ..files import Status

__all__ = ["command"]

_EXIT_DONE = 0
_EXIT_FAILED = 1
#: The number of faults that are shown.
_MAX_SHOWN = 10

# The text of the help is no docstring, because `python -OO` leaves those out.
_HELP = """\
Show what a directory or prefix that `convert` writes holds, and what is left.

OUTPUT is what -o names. The state alone is read: neither the inputs nor the events. Inputs that `convert` has not seen
yet are not known here; `convert --dry-run` lists them.

\b
Exit codes:
  0  the state could be read, and all that was planned is done
  1  tasks are left, inputs have faults, there is no state, or it cannot be read
  2  wrong usage
"""


@click.command("status", help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("output", type=click.Path(readable=False))
@click.option("--state", metavar="DIR|URL", help="Where the state is.  [default: OUTPUT/_cfdns/]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the options and the first faults.")
@store_options
def command(
    output: str,
    state: str | None,
    as_json: bool,
    endpoint_url: str | None,
    region: str | None,
    profile: str | None,
    anonymous: bool,
) -> int:
    # Imported here, because the help needs no library.
    from ..files import status
    from ..files.stores import StoreOptions

    if not output:
        raise click.UsageError("the output has an empty name")
    stores = StoreOptions(endpoint_url, region, profile, anonymous)
    found = status(output, state=state, output_store_options=stores)
    code = _EXIT_FAILED if found.tasks_left or found.fault_count else _EXIT_DONE
    if as_json:
        click.echo(json_line({"format": 1, **found.as_dict(), "exit_code": code}), nl=False)
    else:
        for text in _lines(found):
            click.echo(text)
    return code


def _lines(found: Status) -> Iterator[str]:
    from .directory_progress import size_text
    from .directory_report import equal_text

    yield f"output    {printable(found.output)}"
    yield f"tasks     {found.tasks - found.tasks_left} of {found.tasks} done"
    yield (
        f"objects   {found.objects - found.objects_left} of {found.objects} done, "
        f"{size_text(found.size_bytes - found.size_bytes_left)} of {size_text(found.size_bytes)}"
    )
    if found.first_hour:
        yield f"hours     {found.first_hour} to {found.last_hour}, by the names of the objects"
    yield f"events    {found.events}, blank lines {found.blank}"
    yield f"rejects   {by_code(Counter(found.rejects), {})}"
    yield f"problems  {by_code(Counter(found.problems), {})}"
    yield f"files     {found.files}, {size_text(found.output_bytes)}"
    yield f"faults    {found.fault_count}"
    for each in found.faults[:_MAX_SHOWN]:
        yield printable(f"          {each.input}: {each.reason}")
    if found.fault_count > _MAX_SHOWN:
        yield f"          and {found.fault_count - _MAX_SHOWN} more"
    if found.equal:
        yield printable(f"equal     {equal_text(found.equal, found.equal_examples)}")
