"""The command ``cfdns-fast rules``: list rules, check them, and show what they cover."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..io.outputs import Output
from ..io.paths import STANDARD_STREAM
from .report import printable, say
from .table import table_lines

if TYPE_CHECKING:
    from ..detect.rules import Rule, Rules

__all__ = ["command"]

_HELP = """\
List Sigma rules, check them, and show which techniques of ATT&CK they cover.

A PATH is a file of rules, or a folder, which stands for its files *.yml and *.yaml at any depth. Without a PATH, list
and layer read the rules that come with the program.

\b
Exit codes:
  0  done; warnings do not change it
  1  a rule has a fault, a file cannot be read, or the output could not be written
  2  wrong usage
"""
_LIST_HELP = "List rules by id, title, level, status, tags and file."
_CHECK_HELP = """\
Check files of rules, and print all faults and warnings of all files, one a line.

A line begins with the file and the number of the line. With --popular, the names of a top list are tested too: a rule
that hits popular names would hardly be of use. Conditions on other fields than the name are taken as true for that.
"""
_LAYER_HELP = """\
Write a layer for the ATT&CK Navigator (format 4.5) from the attack.* tags of rules.

Without -o it goes to standard output. A file changes only when the layer is complete.
"""

_PATHS = click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(readable=False))


@click.group(help=_HELP)
def command() -> None:
    """See `_HELP`; `python -OO` leaves docstrings out."""


@command.command("list", help=_LIST_HELP, short_help="List rules.")
@_PATHS
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def list_rules(paths: tuple[str, ...], as_json: bool) -> None:
    rules = _load(paths)
    if as_json:
        for rule in rules:
            click.echo(json.dumps(_as_json(rule), ensure_ascii=False))
        return
    rows: list[tuple[str, ...]] = [("ID", "LEVEL", "STATUS", "TITLE", "TAGS", "FILE")]
    rows += [
        (rule.id, rule.level, rule.status or "-", rule.title, " ".join(rule.tags) or "-", rule.file) for rule in rules
    ]
    for line in table_lines(rows):
        click.echo(line)


@command.command("check", help=_CHECK_HELP, short_help="Check files of rules.")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(readable=False))
@click.option(
    "--popular",
    metavar="FILE",
    type=click.Path(readable=False),
    help="A top list: one name a line, or rank,name; print how many of its names each rule hits.",
)
@click.pass_context
def check(context: click.Context, paths: tuple[str, ...], popular: str | None) -> None:
    from ..detect.popular import popular_hits
    from ..detect.rules import read_rules

    content = read_rules(paths)
    findings = [(each.file, each.line or 0, f"error: {each}") for each in content.faults]
    findings += [(each.file, each.line or 0, f"warning: {each}") for each in content.warnings]
    for _, _, text in sorted(findings):
        click.echo(printable(text))
    if popular is not None:
        try:
            hits = popular_hits(content.rules, popular)
        except OSError as error:
            say(f"{printable(popular)}: {error.strerror or 'not readable'}")
            context.exit(1)
        for rule, count, examples in zip(content.rules, hits.counts, hits.examples, strict=True):
            shown = f": {', '.join(examples)}{', ...' if count > len(examples) else ''}" if count else ""
            click.echo(
                printable(f"{rule.file}:{rule.line}: rule {rule.title!r}: {count:,} of {hits.names:,} names{shown}")
            )
    counts = ((content.rules, "rule"), (content.faults, "fault"), (content.warnings, "warning"))
    say(", ".join(f"{len(found):,} {word}{'' if len(found) == 1 else 's'}" for found, word in counts))
    context.exit(1 if content.faults else 0)


@command.command("layer", help=_LAYER_HELP, short_help="Write a layer for the ATT&CK Navigator.")
@_PATHS
@click.option(
    "-o", "--output", default=STANDARD_STREAM, metavar="FILE", type=click.Path(readable=False), help="Write to a file."
)
@click.option("--name", default="cfdns_fast rules", show_default=True, metavar="TEXT", help="The name of the layer.")
def write_layer(paths: tuple[str, ...], output: str, name: str) -> None:
    from ..detect.layer import layer_of

    layer = layer_of(_load(paths), name)
    data = json.dumps(layer, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"
    opened = Output(output)
    try:
        opened.open()
        opened.write(data)
        opened.seal()
        opened.publish()
    except BaseException:
        opened.discard()
        raise


def _load(paths: tuple[str, ...]) -> Rules:
    from ..detect.rules import Rules

    return Rules.load(*paths) if paths else Rules.shipped()


def _as_json(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "title": rule.title,
        "level": rule.level,
        "status": rule.status,
        "tags": list(rule.tags),
        "techniques": list(rule.techniques),
        "file": rule.file,
        "line": rule.line,
    }
