"""The reference of the command as a page, made of the commands of click."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

_HEAD = """\
# All commands and options

Made of the command's own help: `cfdns-fast COMMAND --help` shows the same.
"""


def page(root: click.Group, program: str) -> str:
    """Return the page: every command with its usage, its help, its arguments and its options."""
    parts = [_HEAD]
    for path, command, context in _walk(root, _context(root, program, None)):
        parts += [f"## {path}", *_sections(command, context)]
    return "\n\n".join(parts) + "\n"


def _walk(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _walk(child, _context(child, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, **command.context_settings)


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```"
    yield from _help(command.help or "")
    if isinstance(command, click.Group):
        names = [name for name in command.list_commands(context)]
        yield "Commands: " + ", ".join(f"`{context.command_path} {name}`" for name in names) + "."
    options = {each.opts[-1]: each for each in command.get_params(context) if isinstance(each, click.Option)}
    for heading, names in getattr(command, "sections", {}).items():
        yield f"### {heading}"
        yield _table([options.pop(name) for name in names], context)
    if options:
        yield "### Options"
        yield _table(list(options.values()), context)


def _table(options: list[click.Option], context: click.Context) -> str:
    rows = [record for each in options if (record := each.get_help_record(context)) is not None]
    lines = [f"| `{option.replace('|', chr(92) + '|')}` | {_text(meaning)} |" for option, meaning in rows]
    return "\n".join(["| option | meaning |", "|---|---|", *lines])


def _help(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; those that click does not wrap keep their lines."""
    for paragraph in re.split(r"\n{2,}", text.strip()):
        if paragraph.startswith("\b\n"):
            yield f"```text\n{paragraph[2:]}\n```"
        else:
            yield _text(paragraph.replace("\n", " "))


def _text(text: str) -> str:
    """Escape what Markdown would read as its own signs, outside code in backticks."""
    parts = re.split(r"(`[^`]+`)", text)
    parts[::2] = [re.sub(r"([\\*_<>|`\[\]{}$#])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)
