"""The commands of the command line, which are imported when they are called."""

from __future__ import annotations

import click

from .lazy_group import LazyCommand

__all__ = ["SUB_COMMANDS", "extra_of"]

#: The libraries that commands need, by the extra that installs them.
_LIBRARIES = {
    "receiver": frozenset({"prometheus_client", "tornado", "urllib3", "xxhash"}),
    "files": frozenset({"obstore", "pyarrow"}),
    "delta": frozenset({"deltalake"}),
    "inspect": frozenset({"jinja2", "rich"}),
}


def extra_of(module: str) -> str | None:
    """Return the extra that installs a module; None if no extra does."""
    library = module.partition(".")[0]
    return next((extra for extra, libraries in _LIBRARIES.items() if library in libraries), None)


def _convert() -> click.Command:
    from .convert import command

    return command


def _receive() -> click.Command:
    from .receive import command

    return command


def _spool() -> click.Command:
    from .spool import command

    return command


def _job() -> click.Command:
    from .job import command

    return command


def _rules() -> click.Command:
    from .rules import command

    return command


def _mapping() -> click.Command:
    from .mapping import command

    return command


def _status() -> click.Command:
    from .status import command

    return command


def _inspect() -> click.Command:
    from .inspect import command

    return command


#: In the order of the help. Each has its line of the help here, because the help of the group imports no command.
SUB_COMMANDS = {
    "convert": LazyCommand("Convert files of records to events, one a line, in the order of the inputs.", _convert),
    "inspect": LazyCommand("Show what a batch of logs or of converted events holds.", _inspect),
    "status": LazyCommand("Show what a directory or prefix that convert writes holds, and what is left.", _status),
    "receive": LazyCommand(
        "Receive Logpush batches over HTTP, keep them until they are delivered, and deliver.", _receive
    ),
    "spool": LazyCommand("Show and export what a receiver keeps, and deliver it again.", _spool),
    "job": LazyCommand("Create, list and change Logpush jobs.", _job),
    "mapping": LazyCommand("List, check, explain, compare and test mapping files.", _mapping),
    "rules": LazyCommand("List Sigma rules, check them, and show what they cover.", _rules),
}
