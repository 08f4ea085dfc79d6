"""The command ``cfdns-fast job``: Logpush jobs by Cloudflare's API."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from .. import jobs
from .job_options import Scope, destination_of, destination_options, output_options, read_job_id, scope_options
from .job_tables import field_lines, job_lines, job_table
from .report import say

__all__ = ["command"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

# The texts of the help are no docstrings, because `python -OO` leaves those out.
_HELP = """\
Create, list, show, update, delete and validate Logpush jobs.

The API token is read from CLOUDFLARE_API_TOKEN or --token-file. It needs the permission Logs / Edit of the zone (for
dns_logs) or of the account (for the other datasets), even to list jobs. No secret is shown, except by --show-secrets.

\b
Exit codes:
  0    done, also if the job to be created exists already with the same settings
  1    Cloudflare refused the call, could not be reached, or the destination is not valid
  2    wrong usage, found before any call
"""


@click.group(
    name="job", help=_HELP, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True
)
@click.pass_context
def command(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


def _usage(function: _Command) -> _Command:
    """Let errors of settings be errors of usage, which have exit code 2."""
    import functools

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except jobs.JobSettingError as error:
            raise click.UsageError(str(error), click.get_current_context(silent=True)) from None

    return run  # type: ignore[return-value]


_CREATE_HELP = "Create a job, once: a job with the same name, destination and settings is found and kept."
_LIST_HELP = "List the jobs of a zone or account."
_SHOW_HELP = "Show a job, and what in it would lose data."
_UPDATE_HELP = """\
Change a job: read it, show the changes, and send them with all that stays.

The dataset and the kind of a job cannot be changed. --dry-run reads the job, and changes nothing.
"""
_DELETE_HELP = "Delete a job, after a question: what it has not sent yet is lost."
_VALIDATE_HELP = "Let Cloudflare upload a test file to a destination, as it does before it creates a job."
_FIELDS_HELP = "List the fields of a dataset, as the API has them; * marks those that a job requests by default."
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API answers it, without secrets.")
_DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Print the call as curl makes it (with --json as an object), and do not make it."
)
_SHOW_SECRETS = click.option(
    "--show-secrets", is_flag=True, help="Print the key in the destination too, with --dry-run."
)
_DATASET = click.option(
    "--dataset", metavar="NAME", help=f"One of {', '.join(jobs.DATASETS)}.", default="dns_logs", show_default=True
)


@command.command("create", help=_CREATE_HELP)
@scope_options
@_DATASET
@destination_options
@output_options(defaults=True)
@click.option("--name", metavar="NAME", help="The name of the job.  [default: dataset and host of the destination]")
@click.option("--disabled", is_flag=True, help="Create the job, but do not start it.")
@_DRY_RUN
@_SHOW_SECRETS
@_JSON
@_usage
def _create(
    scope: Scope,
    dataset: str,
    target: dict[str, Any],
    output: dict[str, Any],
    name: str | None,
    disabled: bool,
    dry_run: bool,
    show_secrets: bool,
    as_json: bool,
) -> int:
    kind = jobs.dataset_of(dataset)
    scope.require(kind)
    destination = destination_of(target, scope)
    if destination is None:
        raise click.UsageError("give a destination: --receiver, --sekoia, --r2, --s3 or --destination-file")
    settings = jobs.JobSettings(
        dataset=kind,
        name=name or jobs.default_name(kind, destination),
        enabled=not disabled,
        **{key: value for key, value in output.items() if value is not None},
    )
    challenge = None if target["challenge"] is None else jobs.given_challenge(target["challenge"])
    body = settings.body(destination, challenge)
    if dry_run:
        _print_call("POST", scope, "", body, destination, show_secrets=show_secrets, as_json=as_json)
        return 0
    with scope.api(destination) as api:
        if challenge is None and destination.needs_ownership:
            body = settings.body(destination, jobs.prove_ownership(api, destination))
        created = jobs.create_job(api, body)
        if as_json:
            _print_json(api.redactor.value(created.job))
        else:
            number = created.job.get("id")
            say_what = {
                "created": f"created the job {number}",
                "present": f"the job {number} exists already, with these settings",
                "recovered": f"created the job {number} (the answer to the call was lost, and the job is listed)",
            }
            click.echo(say_what[created.how])
    return 0


@command.command("list", help=_LIST_HELP)
@scope_options
@click.option("--dataset", metavar="NAME", help="Only the jobs of this dataset.")
@_JSON
@_usage
def _list(scope: Scope, dataset: str | None, as_json: bool) -> int:
    if dataset is not None:
        jobs.check_name(dataset)
    with scope.api() as api:
        found = api.redactor.value(api.jobs(dataset))
    if as_json:
        _print_json(found)
    elif found:
        click.echo("\n".join(job_table(found)))
    else:
        say("there are no jobs")
    return 0


@command.command("show", help=_SHOW_HELP)
@scope_options
@click.argument("job_id", metavar="JOB", callback=read_job_id)
@_JSON
@_usage
def _show(scope: Scope, job_id: int, as_json: bool) -> int:
    with scope.api() as api:
        job = api.redactor.value(api.job(job_id))
    if as_json:
        _print_json(job)
    else:
        click.echo("\n".join(job_lines(job)))
    return 0


@command.command("update", help=_UPDATE_HELP)
@scope_options
@click.argument("job_id", metavar="JOB", callback=read_job_id)
@destination_options
@output_options(defaults=False)
@click.option("--name", metavar="NAME", help="A new name of the job.")
@click.option("--enable/--disable", "enabled", default=None, help="Start or stop the job.")
@click.option("--no-filter", is_flag=True, help="Remove the filter.")
@_DRY_RUN
@_SHOW_SECRETS
@_JSON
@_usage
def _update(
    scope: Scope,
    job_id: int,
    target: dict[str, Any],
    output: dict[str, Any],
    name: str | None,
    enabled: bool | None,
    no_filter: bool,
    dry_run: bool,
    show_secrets: bool,
    as_json: bool,
) -> int:
    destination = destination_of(target, scope)
    challenge = None if target["challenge"] is None else jobs.given_challenge(target["challenge"])
    if no_filter and output["filter"] is not None:
        raise click.UsageError("--filter and --no-filter exclude each other")
    output["filter"] = "" if no_filter else output["filter"]
    changes = jobs.Changes(name=name, enabled=enabled, destination=destination, challenge=challenge, **output)
    with scope.api(destination) as api:
        job = api.job(job_id)
        body = jobs.changed_body(job, changes)
        lines = jobs.changes_shown(job, body, api.redactor)
        for line in lines:
            say(line)
        if not lines:
            say(f"nothing to change in the job {job_id}")
        if dry_run:
            _print_call("PUT", scope, f"/{job_id}", body, destination, show_secrets=show_secrets, as_json=as_json)
            return 0
        if lines:
            if destination is not None and challenge is None and destination.needs_ownership:
                body["ownership_challenge"] = jobs.prove_ownership(api, destination)
            job = api.replace(job_id, body, job.get("dataset"))
        if as_json:
            _print_json(api.redactor.value(job))
        elif lines:
            click.echo(f"updated the job {job_id}")
    return 0


@command.command("delete", help=_DELETE_HELP)
@scope_options
@click.argument("job_id", metavar="JOB", callback=read_job_id)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_usage
def _delete(scope: Scope, job_id: int, yes: bool) -> int:
    with scope.api() as api:
        if not yes:
            job = api.redactor.value(api.job(job_id))
            click.echo("\n".join(job_table([job])), err=True)
            if not sys.stdin.isatty():
                raise click.UsageError("this is no terminal, so the question cannot be asked: add --yes")
            if not click.confirm(f"Delete the job {job_id}?", err=True):
                say("nothing is deleted")
                return 1
        api.delete(job_id)
    click.echo(f"deleted the job {job_id}")
    return 0


@command.command("validate", help=_VALIDATE_HELP)
@scope_options
@destination_options
@_usage
def _validate(scope: Scope, target: dict[str, Any]) -> int:
    destination = destination_of(target, scope)
    if destination is None:
        raise click.UsageError("give a destination: --receiver, --sekoia, --r2, --s3 or --destination-file")
    with scope.api(destination) as api:
        api.validate(destination.conf)
        if target["challenge"] is not None:
            api.validate_challenge(destination.conf, jobs.given_challenge(target["challenge"]))
        used = "; a job already sends to it" if api.is_in_use(destination.conf) else ""
    click.echo(f"the destination is valid{used}")
    return 0


@command.command("fields", help=_FIELDS_HELP)
@scope_options
@_DATASET
@_JSON
@_usage
def _fields(scope: Scope, dataset: str, as_json: bool) -> int:
    kind = jobs.dataset_of(dataset)
    scope.require(kind)
    with scope.api() as api:
        found = api.fields(dataset)
    if as_json:
        _print_json(found)
    else:
        click.echo("\n".join(field_lines(found, kind.fields)))
    missing = [name for name in kind.fields if name not in found]
    if missing:
        say(f"the API has no field {', '.join(missing)}: name the fields of a job by --fields")
    return 0


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_call(
    method: str,
    scope: Scope,
    path: str,
    body: Mapping[str, Any],
    destination: jobs.Destination | None,
    *,
    show_secrets: bool,
    as_json: bool,
) -> None:
    url = f"{jobs.base_url_of()}/{scope.path}/logpush/jobs{path}"
    if as_json:
        _print_json(jobs.request_shown(method, url, body, destination, show_secrets=show_secrets))
        return
    shown = jobs.curl_command(method, url, scope.token_word, body, destination, show_secrets=show_secrets)
    click.echo(shown)
    if jobs.REDACTED in shown:
        say(f"{jobs.REDACTED} stands for a secret; --show-secrets prints it")
