"""The options of ``cfdns-fast job`` that several of its commands have, and what they make."""

from __future__ import annotations

import functools
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from .. import jobs

__all__ = ["Scope", "destination_of", "destination_options", "output_options", "read_job_id", "scope_options"]

_PATH = click.Path(readable=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """The zone or the account of a command, and the token."""

    zone: str | None
    account: str | None
    token_file: str | None
    timeout_s: float

    def __post_init__(self) -> None:
        if self.account is not None and not re.fullmatch("[0-9a-f]{32}", self.account):
            raise click.UsageError("an account is given by its id, which has 32 hexadecimal digits")
        if self.zone is not None and not re.fullmatch(r"[\w.-]{1,253}", self.zone):
            raise click.UsageError("a zone is given by its id, or by its name such as example.com")

    def require(self, dataset: jobs.Dataset) -> None:
        """Raise a usage error if the dataset belongs to the other scope."""
        if dataset.scope == "zone" and self.zone is None:
            raise click.UsageError(f"{dataset.name} belongs to a zone: give --zone instead of --account")
        if dataset.scope == "account" and self.account is None:
            raise click.UsageError(f"{dataset.name} belongs to an account: give --account instead of --zone")

    @property
    def path(self) -> str:
        """The part of URLs that names the zone or account. The id of a zone that is given by name is not known."""
        if self.account is not None:
            return f"accounts/{self.account}"
        zone = self.zone or ""
        is_id = len(zone) == 32 and all(c in "0123456789abcdef" for c in zone)
        return f"zones/{zone}" if is_id else f"zones/ID_OF_{zone}"

    @property
    def token_word(self) -> str:
        """How a shell gets the token."""
        file = self.token_file
        # A pipe such as <(command) is gone when the printed command runs.
        if file is None or (os.path.exists(file) and not os.path.isfile(file)):
            return "$CLOUDFLARE_API_TOKEN"
        return f"$(cat {shlex.quote(file)})"

    def api(self, destination: jobs.Destination | None = None) -> jobs.Api:
        """Return the API; messages will hold no secret of the destination."""
        token = jobs.token_of(self.token_file)
        redactor = jobs.Redactor(() if destination is None else destination.secrets)
        if self.account is not None:
            return jobs.Api(token, "account", self.account, timeout_s=self.timeout_s, redactor=redactor)
        return jobs.Api(token, "zone", self.zone or "", timeout_s=self.timeout_s, redactor=redactor)


def _apply(function: Callable[..., Any], options: list[Any]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


def scope_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that make a `Scope`, which is the argument ``scope``."""

    @functools.wraps(function)
    def run(
        *arguments: Any, zone: str | None, account: str | None, token_file: str | None, timeout: float, **options: Any
    ) -> Any:
        if (zone is None) == (account is None):
            raise click.UsageError("give either --zone (dns_logs) or --account (dns_firewall_logs, gateway_dns)")
        return function(*arguments, scope=Scope(zone, account, token_file, timeout), **options)

    return _apply(
        run,
        [
            click.option("--zone", metavar="ID_OR_NAME", help="The zone, by its id or its name."),
            click.option("--account", metavar="ID", help="The account, by its id."),
            click.option(
                "--token-file",
                metavar="FILE",
                type=_PATH,
                help="Read the API token from this file instead of CLOUDFLARE_API_TOKEN.",
            ),
            click.option(
                "--timeout",
                metavar="SECONDS",
                type=click.FloatRange(0.1, 600),
                default=60.0,
                show_default=True,
                help="How long a call may take.",
            ),
        ],
    )


_DESTINATION = (
    ("--receiver", "URL", None, "The receiver: https://HOST/PATH; without a path it is /plain/batch."),
    ("--key-file", "FILE", _PATH, "The key of the receiver: a file with it, or with lines name = key."),
    ("--key-name", "NAME", None, "Which key of --key-file."),
    ("--key-env", "NAME", None, "The key of the receiver: an environment variable."),
    ("--s3", "BUCKET/PATH", None, "Amazon S3, with --region, or a compatible store with --endpoint as well."),
    ("--endpoint", "HOST", None, "The host of a store that is compatible with S3."),
    ("--r2", "BUCKET/PATH", None, "Cloudflare R2; {DATE} in the path is a folder a day."),
    ("--r2-account", "ID", None, "The account of the R2 bucket, if it is not --account."),
    ("--access-key-file", "FILE", _PATH, "Access key of R2 or a compatible store, as in AWS's credentials files."),
    ("--region", "NAME", None, "The region of --s3, or of --sekoia (fra1 without it)."),
    ("--destination-file", "FILE", _PATH, "Any other destination: a file with the destination_conf."),
    ("--challenge", "TEXT|@FILE", None, "The ownership challenge, if it is known. Amazon S3 is read without it."),
)


def destination_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a destination; they are the argument ``target``, for `destination_of`."""
    names = [name.removeprefix("--").replace("-", "_") for name, *_ in _DESTINATION]

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        target = {name: options.pop(name) for name in [*names, "key_header", "sekoia", "sse"]}
        return function(*arguments, target=target, **options)

    made: list[Any] = [
        click.option(name, metavar=metavar, type=kind, help=text) for name, metavar, kind, text in _DESTINATION
    ]
    made.insert(
        4,
        click.option(
            "--key-header",
            metavar="NAME",
            default=jobs.DEFAULT_KEY_HEADER,
            show_default=True,
            help="The header that holds the key.",
        ),
    )
    made.insert(1, click.option("--sekoia", is_flag=True, help="Sekoia.io's own endpoint instead of a receiver."))
    made.insert(7, click.option("--sse", is_flag=True, help="Let Amazon S3 encrypt the files (AES256)."))
    return _apply(run, made)


def destination_of(target: dict[str, Any], scope: Scope) -> jobs.Destination | None:
    """Return the destination that the options name; None if they name none."""
    kinds = ("receiver", "sekoia", "s3", "r2", "destination_file")
    chosen = [name for name in kinds if target[name]]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(f'--{name}' for name in chosen)} exclude each other".replace("_", "-"))
    kind = chosen[0] if chosen else None
    _require_kind(target, kind)
    match kind:
        case "receiver" | "sekoia":
            url = target["receiver"] or jobs.sekoia_url(target["region"] or "fra1")
            key = _key(target)
            if key is None and kind == "sekoia":
                raise click.UsageError("--sekoia needs the intake key: --key-file or --key-env")
            return jobs.receiver_destination(url, key, target["key_header"])
        case "s3":
            if target["region"] is None:
                raise click.UsageError("--s3 needs --region")
            keys = None if target["access_key_file"] is None else jobs.access_keys(target["access_key_file"])
            return jobs.s3_destination(
                target["s3"], target["region"], encrypted=target["sse"], endpoint=target["endpoint"], keys=keys
            )
        case "r2":
            account = target["r2_account"] or scope.account
            if account is None or target["access_key_file"] is None:
                raise click.UsageError("--r2 needs --r2-account and --access-key-file")
            return jobs.r2_destination(target["r2"], account, jobs.access_keys(target["access_key_file"]))
        case "destination_file":
            return jobs.given_destination(jobs.file_secret(target["destination_file"]))
    return None


#: Which destinations an option belongs to.
_BELONGS = {
    "key_file": ("receiver", "sekoia"),
    "key_env": ("receiver", "sekoia"),
    "key_name": ("receiver", "sekoia"),
    "endpoint": ("s3",),
    "sse": ("s3",),
    "region": ("s3", "sekoia"),
    "r2_account": ("r2",),
    "access_key_file": ("s3", "r2"),
}


def _require_kind(target: dict[str, Any], kind: str | None) -> None:
    for name, kinds in _BELONGS.items():
        if target[name] and kind not in kinds:
            option, others = name.replace("_", "-"), " or ".join(f"--{each}" for each in kinds)
            raise click.UsageError(f"--{option} needs {others}")
    if target["challenge"] is not None and kind is None:
        raise click.UsageError("--challenge needs a destination")


def _key(target: dict[str, Any]) -> jobs.Secret | None:
    if target["key_file"] and target["key_env"]:
        raise click.UsageError("--key-file and --key-env exclude each other")
    if target["key_name"] and not target["key_file"]:
        raise click.UsageError("--key-name needs --key-file")
    if target["key_file"]:
        return jobs.key_of_file(target["key_file"], target["key_name"])
    return jobs.key_of_environment(target["key_env"]) if target["key_env"] else None


def output_options(*, defaults: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of the output; they are the argument ``output``, None for those that are not given.

    `defaults` says whether the help has the default values, which only a new job takes.
    """
    return functools.partial(_add_output_options, defaults=defaults)


def _add_output_options(function: Callable[..., Any], *, defaults: bool) -> Callable[..., Any]:
    made: list[Any] = [
        click.option(
            "--fields",
            metavar="NAME,NAME,...",
            help="The fields to send." + ("  [default: all that this package converts]" if defaults else ""),
        ),
        click.option("--filter", "filter_", metavar="JSON", help='Send only some records: {"where": ...}.'),
        click.option(
            "--timestamp-format",
            type=click.Choice(jobs.TIMESTAMP_FORMATS),
            help="The form of timestamps." + ("  [default: unixnano]" if defaults else ""),
        ),
        click.option("--sample-rate", metavar="RATE", type=float, help="Send this part of the records, above 0 to 1."),
    ]
    usual = {"max_upload_records": "100000", "max_upload_interval_seconds": "30", "max_upload_bytes": "Cloudflare's"}
    for name, (low, high) in jobs.LIMITS.items():
        text = f"A limit of a batch, {low} to {high}; 0 turns it off."
        text += f"  [default: {usual[name]}]" if defaults else ""
        made.append(click.option(f"--{name.replace('_', '-')}", metavar="N", type=int, help=text))

    @functools.wraps(function)
    def run(*arguments: Any, fields: str | None, filter_: str | None, **options: Any) -> Any:
        output = {name: options.pop(name) for name in ("timestamp_format", "sample_rate", *jobs.LIMITS)}
        output["fields"] = None if fields is None else tuple(name.strip() for name in fields.split(","))
        output["filter"] = filter_
        return function(*arguments, output=output, **options)

    return _apply(run, made)


def read_job_id(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """Return the number of a job."""
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise click.BadParameter("a job is given by its number, which job list shows", context, parameter)
    return int(value)
