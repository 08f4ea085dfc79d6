"""The options of ``cfdns-fast inspect``."""

from __future__ import annotations

from collections.abc import Callable

import click

from ..options import MAX_THREADS
from .convert_options import INPUT_OPTIONS, apply_options, store_options
from .detection_options import detection_options

__all__ = ["SECTIONS", "inspect_options"]

_MAX_TOP = 1000
_PATH = click.Path(readable=False)

_OPTIONS = (
    click.option(
        "--top",
        metavar="N",
        type=click.IntRange(1, _MAX_TOP),
        default=10,
        show_default=True,
        help="The number of values in each list.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print all that was found as one JSON object on one line."),
    click.option(
        "--html",
        metavar="FILE",
        type=_PATH,
        help="Write a page with charts to this file, which needs nothing else, and print no tables.",
    ),
    click.option(
        "--no-examples", is_flag=True, help="Show no parts of records as examples of problems, rejects and detections."
    ),
    click.option(
        "--threads",
        metavar="N",
        type=click.IntRange(1, MAX_THREADS),
        help="Count with N threads.  [default: the number of cores, at most 16]",
    ),
    click.option("--no-progress", is_flag=True, help="Show no progress, even on a terminal."),
)

#: The headings of the help, and their options.
SECTIONS = {
    "Output": ("--top", "--json", "--html", "--no-examples"),
    "Input": (
        *("--schema", "--dataset", "--input-format", "--columns", "--record-delimiter", "--max-record-bytes"),
        *("--timestamp-unit", "--private-suffixes", "--since", "--until"),
    ),
    "Object stores": ("--endpoint-url", "--region", "--profile", "--anonymous"),
    "Detection, in logs": ("--detect", "--indicators", "--allow", "--min-confidence", "--addresses", "--rules"),
    "Other options": ("--threads", "--no-progress", "--help"),
}


def inspect_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add all options of the command."""
    return apply_options(store_options(function), (*INPUT_OPTIONS, *detection_options(_PATH), *_OPTIONS))
