"""The command ``cfdns-fast receive``: options, environment and configuration file in, exit code out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from ..options import option
from ..receiver.configuration import read_configuration, sinks_of
from ..receiver.settings import Settings, SettingsError, parse_networks
from .receive_detection import add_detection_options, alerts_sink, detect_settings
from .receive_values import PATH_TYPE, VALUES, Parsed, SinkType, name_of, value_options
from .report import say

__all__ = ["command", "unknown_variables"]

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_STATE = 3
_ENVIRONMENT_PREFIX = "CFDNS_RECEIVE"
_PATH_KEYS = ("state", "keys", "tls_cert", "tls_key", "client_ca", "indicators", "allow", "rules")
#: Defaults of the conversion that a [[sink]] table can replace.
_CONVERSION = ("schema", "dataset", "keep_message", "private_suffixes", "input_format")

_HELP = """\
Receive batches of Logpush over HTTP, keep them on disk, and deliver them as ECS events to sinks.

A batch is answered with 200 after it is on disk. Each sink has a process of its own, which converts and delivers the
batches in order. A batch stays in the spool until all sinks have delivered it.

A sink is a URL, or NAME=URL: file:///folder/, https://host/path, and others; - is standard output. The name is part of
the state: a sink that gets another name begins at the oldest batch in the spool.

Options are taken from the command line, then from the environment (CFDNS_RECEIVE_LISTEN for --listen, for example),
then from the TOML file of --config, then from their defaults. The file has the names of the options with underscores
(max_spool = "20GiB"). Each sink of the file is a table [[sink]] with url, and if wanted with name, schema, dataset,
keep_message, private_suffixes, input_format, alerts and annotate. The table [detect] has sliver, indicators, allow,
rules, min_confidence, addresses, poll, alerts and annotate. Relative paths in the file are relative to its folder.

SIGTERM and SIGINT end the receiver after open requests are answered; a second signal, half a second later or more,
ends it at once. SIGHUP reads the keys, the certificate, feeds and rules again.

\b
Exit codes:
  0    ended by a signal, or all checks of --check passed; nothing that was acknowledged is lost
  1    failed while it ran, or another process uses the address
  2    wrong usage, or a setting, key, certificate, address or sink that cannot be used
  3    the state folder cannot be used, for example because another receiver uses it
"""


def _configure(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Take the values of the file as defaults."""
    if path is None:
        return None
    names = {each.name or "" for each in context.command.params} - {"config", "check"}
    many = {each.name for each in context.command.params if getattr(each, "multiple", False)}
    try:
        values = read_configuration(path, names, _PATH_KEYS)
    except SettingsError as error:
        raise click.UsageError(str(error), context) from error
    for name in many & values.keys():
        if not isinstance(values[name], list):
            values[name] = [values[name]]
    for each in context.command.params:
        fault = _fault(each, values[each.name]) if each.name in values else ""
        if fault:
            raise click.UsageError(f"{path}: {each.name} must be {fault}", context)
    context.default_map = values
    return path


def _fault(parameter: click.Parameter, value: object) -> str:
    """Return which type a value of the file must have; empty if it has it. click would convert or fail unclearly."""
    if isinstance(parameter.type, Parsed | SinkType):
        return ""  # which name the fault
    if isinstance(parameter.type, click.types.BoolParamType):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(parameter.type, click.types.IntParamType):
        return "" if isinstance(value, int) and not isinstance(value, bool) else "a whole number"
    texts = value if isinstance(value, list) and getattr(parameter, "multiple", False) else [value]
    is_text = all(isinstance(each, str) and each and each.isprintable() for each in texts)
    return "" if is_text else "text that is not empty and has no control characters"


def unknown_variables(environment: Mapping[str, str], command: click.Command, keys: str | None) -> list[str]:
    """Return a sentence for each variable that looks like one of an option and is none.

    This is no error, because container platforms set variables with the names of services.

    Parameters
    ----------
    keys : str or None
        The value of ``--keys``, which can name a variable.
    """
    prefix = f"{_ENVIRONMENT_PREFIX}_"
    known = {f"{prefix}{(each.name or '').upper()}" for each in command.params}
    names = sorted(name for name in environment if name.startswith(prefix) and name not in known)
    found = []
    for name in names:
        if keys != f"env:{name}":
            close = get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"; did you mean {close[0]}?" if close else ""
            found.append(f"the environment variable {name} is no option of this command and has no effect{hint}")
    return found


@click.command(
    "receive",
    help=_HELP,
    context_settings={"auto_envvar_prefix": _ENVIRONMENT_PREFIX, "help_option_names": ["-h", "--help"]},
)
@click.option(
    "--config", metavar="FILE", type=PATH_TYPE, is_eager=True, callback=_configure, help="A TOML file with options."
)
@click.option("--state", metavar="DIR", type=PATH_TYPE, required=True, help="The folder of the spool, on a local disk.")
@click.option(
    "--sink",
    "sink",
    metavar="[NAME=]URL",
    type=SinkType(),
    multiple=True,
    help="Where to deliver; can be given several times.",
)
@click.option(
    "--keys",
    metavar="SOURCE",
    help="Lines 'name = key', of which each request needs one: a file, env:NAME, or credential:NAME of systemd.",
)
@click.option("--allow-no-key", is_flag=True, help="Accept requests without a key; for a private network or a proxy.")
@click.option(
    "--path",
    "path",
    metavar="PATH",
    multiple=True,
    default=("/plain/batch",),
    show_default=True,
    help="A path that takes batches; can be given several times.",
)
@click.option(
    "--allow-from",
    "allow_from",
    metavar="CIDR",
    multiple=True,
    help="Addresses that may send, by default all; can be given several times.",
)
@value_options
@click.option(
    "--schema", metavar="NAME_OR_PATH", default=option("schema").default, show_default=True, help=option("schema").help
)
@click.option(
    "--dataset", metavar="NAME", default=option("dataset").default, show_default=True, help=option("dataset").help
)
@click.option(
    "--input-format",
    type=click.Choice(option("input_format").choices),
    default="auto",
    show_default=True,
    help="The format of the batches; auto detects it for each batch.",
)
@click.option(
    "--message/--no-message",
    "keep_message",
    default=True,
    show_default=True,
    help="Keep the original record in the events.",
)
@click.option("--private-suffixes/--no-private-suffixes", default=False, help=option("private_suffixes").help)
@add_detection_options
@click.option(
    "--check",
    is_flag=True,
    help="Check configuration, keys, certificate, sinks and state folder; print the results; change nothing.",
)
def command(config: Path | None, check: bool, **given: Any) -> int:
    """Run the receiver."""
    if os.name != "posix":
        say("the receiver needs a POSIX system, for example Linux")
        return _EXIT_USAGE
    for warning in unknown_variables(os.environ, click.get_current_context().command, given["keys"]):
        say(f"warning: {warning}")
    try:
        settings = _settings(given)
        if check:
            from ..receiver.check import check_settings

            return check_settings(settings, click.echo)
        from ..receiver.addresses import AddressInUse
        from ..receiver.app import run
        from ..receiver.check import check_sinks
        from ..spool import StateError
    except SettingsError as error:
        say(str(error))
        return _EXIT_USAGE
    try:
        check_sinks(settings)
        return run(settings)
    except StateError as error:
        say(str(error))
        return _EXIT_STATE
    except AddressInUse as error:
        # Not a wrong setting: a supervisor that tries again succeeds when the other process ends.
        say(str(error))
        return _EXIT_FAILED
    except SettingsError as error:
        say(str(error))
        return _EXIT_USAGE


def _settings(given: Mapping[str, Any]) -> Settings:
    """Return the settings of the options; raises SettingsError."""
    values: dict[str, Any] = {value.field: given[name_of(value.flag)] for value in VALUES}
    conversion = {name: given[name] for name in _CONVERSION}
    try:
        return Settings(
            state=given["state"],
            sinks=sinks_of([*given["sink"], *alerts_sink(given)], conversion),
            detect=detect_settings(given),
            paths=tuple(given["path"]),
            dataset=given["dataset"],
            allow_from=parse_networks(given["allow_from"]),
            allow_no_key=given["allow_no_key"],
            **_keys(given["keys"]),
            **values,
        )
    except SettingsError as error:
        raise SettingsError(_with_option_names(str(error))) from None


def _with_option_names(text: str) -> str:
    """Return a message with the names that options have in the file, which differ from the attributes by units."""
    for value in VALUES:
        text = re.sub(rf"\b{value.field}\b", name_of(value.flag), text)
    return re.sub(r"^(path|sink)s:", r"\1:", text)


def _keys(source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    kind, _, name = source.partition(":")
    if kind in ("env", "credential") and name:
        return {"keys_environment" if kind == "env" else "keys_credential": name}
    return {"keys_file": Path(source)}
