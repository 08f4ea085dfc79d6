"""The command line: options in, exit code out."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from .. import CfdnsError, MappingError
from ..io.paths import PathError
from .detection import DetectionError
from .lazy_group import LazyGroup
from .report import say
from .signals import EXIT_SIGNAL, is_out_of_memory, signal_text
from .sub_commands import SUB_COMMANDS, extra_of

__all__ = ["main"]

_PROGRAM = "cfdns-fast"
_EXIT_FAILED = 1
_EXIT_USAGE = 2
#: Codes of `FilesError` that another command line would avoid.
_USAGE_CODES = frozenset(
    {
        "files.foreign",
        "files.inside",
        "files.options",
        "files.single_writer",
        "files.time",
        "files.version",
        "store.settings",
    }
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; ``cfdns-fast convert --help`` lists the exit codes."""
    try:
        code = _cli.main(arguments, prog_name=_PROGRAM, standalone_mode=False)
    except SystemExit:
        raise
    except BaseException as error:
        if os.environ.get("CFDNS_DEBUG") == "1":
            import traceback

            traceback.print_exc()
        first, *_ = [*(sys.argv[1:] if arguments is None else arguments), ""]
        code = _explain(error, f"{_PROGRAM} {first}" if first in SUB_COMMANDS else _PROGRAM)
    sys.exit(code)


def _explain(error: BaseException, command: str) -> int:
    """Say in one line what ended the run, and return the exit code.

    Parameters
    ----------
    command : str
        What was called. An option without its argument is found before click knows that.
    """
    match error:
        case click.UsageError() if type(error).__name__ == "NoArgsIsHelpError":
            # A group without a sub-command shows its help (click 8.2 and later; earlier versions show it themselves).
            click.echo(error.format_message(), err=True)
            return _EXIT_USAGE
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else command
            say(f"{error.format_message().rstrip('.')} (see {command} --help)")
            return _EXIT_USAGE
        case MappingError() | PathError() | DetectionError():
            say(str(error))
            return _EXIT_USAGE
        case KeyboardInterrupt() | click.Abort():
            # Signals of the command raise nothing: this is from a program that calls `main`.
            say(signal_text(signal.SIGINT))
            return EXIT_SIGNAL + signal.SIGINT
        case CfdnsError():
            say(str(error))
            return _EXIT_USAGE if getattr(error, "code", None) in _USAGE_CODES else _EXIT_FAILED
        case ModuleNotFoundError() if (extra := extra_of(error.name or "")) is not None:
            library = (error.name or "").partition(".")[0]
            say(f"this command needs the library {library}: pip install 'cfdns-fast[{extra}]'")
            return _EXIT_USAGE
        case _ if is_out_of_memory(error):
            say("out of memory")
        case ImportError() if error.name is not None and extra_of(error.name) is not None:
            # A module of this package says what it needs.
            say(str(error))
            return _EXIT_USAGE
        case ImportError():
            # For example the compiled core, with the reason of the dynamic linker.
            say(f"{error} (CFDNS_DEBUG=1 shows where)")
        case OSError():
            # --help or --version could not be written. The interpreter would write the rest of it again at exit.
            sys.stdout = None
            say(error.strerror or type(error).__name__)
        case _:
            # The text of an unexpected error may hold record content.
            say(f"internal error, {type(error).__name__} (CFDNS_DEBUG=1 shows where)")
    return _EXIT_FAILED


# The text of the help is no docstring, because `python -OO` leaves those out.
_HELP = "Turn Cloudflare DNS query logs (Logpush) into events of the Elastic Common Schema or OCSF."


@click.group(
    cls=LazyGroup,
    lazy=SUB_COMMANDS,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.version_option(package_name="cfdns-fast", message="%(prog)s %(version)s")
@click.pass_context
def _cli(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(_EXIT_USAGE)
