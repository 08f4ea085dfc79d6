"""Calls of Cloudflare's API, made by the official SDK and answered with the raw results."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from .datasets import Scope
from .envelope import Refusal, result_of
from .errors import JobError, JobSettingError
from .keys import Secret
from .permissions import TokenState, is_about_access, is_job_limit, missing_permission, token_fault
from .redact import Redactor, secrets_in
from .sdk import open_sdk, with_token_only

__all__ = ["DEFAULT_TIMEOUT_S", "Api", "LostAnswer"]

#: A call that creates a job waits until Cloudflare has uploaded a test file to the destination.
DEFAULT_TIMEOUT_S = 60.0
#: Calls that only read are repeated this many times; the SDK waits 0.5 to 8 seconds in between.
_READ_RETRIES = 2

_ID = re.compile(r"[0-9a-f]{32}")


class LostAnswer(JobError):
    """A call was made, but whether it had its effect is not known: the connection broke, or the answer is no answer."""


class Api:
    """The Logpush API of one zone or account. Close it, or use it as a context manager. Not thread-safe.

    Parameters
    ----------
    token : Secret
    scope : {"zone", "account"}
    scope_id : str
        The id of the zone or account, or the name of a zone, which is looked up at the first call.
    base_url : str or None
        Another server than Cloudflare's, over https or on this machine.
    redactor : Redactor or None
        Replaces secrets in messages; the token is added to it.

    Every call raises JobError with a message of one sentence.
    """

    def __init__(
        self,
        token: Secret,
        scope: Scope,
        scope_id: str,
        *,
        base_url: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        redactor: Redactor | None = None,
    ) -> None:
        self.scope: Scope = scope
        self.scope_id = scope_id.strip().lower()
        if scope == "account" and not _ID.fullmatch(self.scope_id):
            raise JobSettingError("api.scope", "an account is given by its id, which has 32 hexadecimal digits")
        if not re.fullmatch(r"[\w.-]{1,253}", self.scope_id):
            raise JobSettingError("api.scope", "a zone is given by its id, or by its name such as example.com")
        self.redactor = redactor or Redactor()
        self.redactor.add(token.value)
        self._sdk, self._module = open_sdk(token, base_url, timeout_s, self.redactor)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Api({self.scope} {self.scope_id})"

    def close(self) -> None:
        """Close the connections."""
        self._sdk.close()

    def jobs(self, dataset: str | None = None) -> list[dict[str, Any]]:
        """Return the jobs, all or those of one dataset."""
        if dataset is None:
            result = self._read("list the jobs", lambda sdk: sdk.logpush.jobs.with_raw_response.list(**self._id()))
        else:
            result = self._read(
                "list the jobs",
                lambda sdk: sdk.logpush.datasets.jobs.with_raw_response.get(dataset, **self._id()),
                dataset,
            )
        if result is not None and not isinstance(result, list):
            raise JobError("api.answer", "the list of jobs in the answer is not a list")
        return [job for job in result or () if isinstance(job, dict)]

    def job(self, job_id: int) -> dict[str, Any]:
        """Return one job."""
        name = f"read the job {job_id}"
        return _object(name, self._read(name, lambda sdk: sdk.logpush.jobs.with_raw_response.get(job_id, **self._id())))

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a job by one call, without a second try. Raises LostAnswer if it may have been made."""
        name = "create the job"
        self._hide(str(body.get("destination_conf")))
        return _object(
            name,
            self._write(
                name,
                lambda sdk: sdk.logpush.jobs.with_raw_response.create(**body, **self._id()),
                str(body.get("dataset")),
            ),
        )

    def replace(self, job_id: int, body: Mapping[str, Any], dataset: str | None = None) -> dict[str, Any]:
        """Send new settings of a job. ``output_options`` in the body replaces the present one as a whole."""
        name = f"update the job {job_id}"
        self._hide(str(body.get("destination_conf")))
        return _object(
            name,
            self._write(
                name, lambda sdk: sdk.logpush.jobs.with_raw_response.update(job_id, **body, **self._id()), dataset
            ),
        )

    def delete(self, job_id: int) -> None:
        """Delete a job."""
        self._write(
            f"delete the job {job_id}",
            lambda sdk: sdk.logpush.jobs.with_raw_response.delete(job_id, **self._id()),
        )

    def fields(self, dataset: str) -> dict[str, str]:
        """Return the fields of a dataset by name, with ``type; description``."""
        name = f"read the fields of {dataset}"
        result = self._read(
            name, lambda sdk: sdk.logpush.datasets.fields.with_raw_response.get(dataset, **self._id()), dataset
        )
        return {key: str(value) for key, value in _object(name, result).items()}

    def validate(self, destination_conf: str) -> None:
        """Let Cloudflare upload a test file. Raises JobError with Cloudflare's text if it is not taken."""
        name = "validate the destination"
        self._hide(destination_conf)
        result = self._write(
            name,
            lambda sdk: sdk.logpush.validate.with_raw_response.destination(
                destination_conf=destination_conf, **self._id()
            ),
        )
        if _object(name, result).get("valid") is not True:
            text = self.redactor.text(result.get("message") or "no reason given")
            raise JobError("destination.refused", f"the destination is not valid: {text}")

    def is_in_use(self, destination_conf: str) -> bool:
        """Whether a job already sends to the destination."""
        name = "look for jobs of the destination"
        self._hide(destination_conf)
        result = self._write(
            name,
            lambda sdk: sdk.logpush.validate.with_raw_response.destination_exists(
                destination_conf=destination_conf, **self._id()
            ),
        )
        return _object(name, result).get("exists") is True

    def challenge(self, destination_conf: str) -> str:
        """Let Cloudflare write an ownership challenge to the destination; return the name of the file."""
        name = "create the ownership challenge"
        self._hide(destination_conf)
        result = _object(
            name,
            self._write(
                name,
                lambda sdk: sdk.logpush.ownership.with_raw_response.create(
                    destination_conf=destination_conf, **self._id()
                ),
            ),
        )
        filename = result.get("filename")
        if result.get("valid") is False or not filename:
            text = self.redactor.text(result.get("message") or "no reason given")
            raise JobError("ownership.refused", f"Cloudflare could not write the ownership challenge: {text}")
        return str(filename)

    def validate_challenge(self, destination_conf: str, challenge: str) -> None:
        """Check an ownership challenge. Raises JobError if it is not the one of this destination."""
        name = "validate the ownership challenge"
        result = self._write(
            name,
            lambda sdk: sdk.logpush.ownership.with_raw_response.validate(
                destination_conf=destination_conf, ownership_challenge=challenge, **self._id()
            ),
        )
        if _object(name, result).get("valid") is not True:
            raise JobError(
                "ownership.invalid",
                "the ownership challenge is not valid: it is that of another destination text, or older than 7 days",
            )

    def token_state(self) -> TokenState:
        """Return what Cloudflare says of the token. Raises nothing."""
        state = self._verified(lambda sdk: sdk.user.tokens.with_raw_response.verify())
        if state.state in ("invalid", "unknown") and self.scope == "account":
            # A token of the account is unknown to the call for tokens of users.
            own = self._verified(lambda sdk: sdk.accounts.tokens.with_raw_response.verify(account_id=self.scope_id))
            return own if own.state not in ("invalid", "unknown") else state
        return state

    def _verified(self, call: Callable[[Any], Any]) -> TokenState:
        try:
            result = self._result(call, 0)
        except Refusal as refusal:
            return TokenState("invalid" if refusal.status < 500 and refusal.status != 429 else "unknown")
        except JobError:
            return TokenState("unknown")
        status = result.get("status") if isinstance(result, dict) else None
        if status not in ("active", "disabled", "expired"):
            return TokenState("unknown")
        return TokenState(status, _text(result.get("not_before")), _text(result.get("expires_on")))

    def _hide(self, destination_conf: str) -> None:
        """Let no message quote a secret of a destination."""
        self.redactor.add(*secrets_in(destination_conf))

    def _id(self) -> dict[str, str]:
        """Return the argument of the SDK that names the zone or account."""
        if self.scope == "account":
            return {"account_id": self.scope_id}
        if not _ID.fullmatch(self.scope_id):
            self.scope_id = self._zone_id(self.scope_id)
        return {"zone_id": self.scope_id}

    def _zone_id(self, name: str) -> str:
        try:
            zones = self._result(lambda sdk: sdk.zones.with_raw_response.list(name=name), _READ_RETRIES)
        except Refusal as refusal:
            self._refuse("look up the zone", refusal, None, for_zones=True)
        found = [each for each in zones or () if isinstance(each, dict) and each.get("name") == name]
        if len(found) != 1 or not _ID.fullmatch(str(found[0].get("id"))):
            raise JobError(
                "api.zone",
                f"the API token sees no zone named {name}: check the name, add the permission Zone / Zone / Read, "
                "or give the id of the zone",
            )
        return str(found[0]["id"])

    def _read(self, action: str, call: Callable[[Any], Any], dataset: str | None = None) -> Any:
        self._id()
        try:
            return self._result(call, _READ_RETRIES)
        except Refusal as refusal:
            self._refuse(action, refusal, dataset)

    def _write(self, action: str, call: Callable[[Any], Any], dataset: str | None = None) -> Any:
        self._id()
        try:
            return self._result(call, 0)
        except Refusal as refusal:
            if refusal.status in (408, 500, 502, 503, 504) or refusal.status >= 520:
                raise LostAnswer("api.answer", self._said(action, refusal)) from None
            self._refuse(action, refusal, dataset)

    def _result(self, call: Callable[[Any], Any], retries: int) -> Any:
        """Return the result of a call; `retries` are those of the SDK.

        Raises Refusal, LostAnswer or JobError, none of which has an exception of the SDK as its cause, because these
        hold requests with secrets.
        """
        sdk = with_token_only(self._sdk.with_options(max_retries=retries))
        try:
            response = call(sdk).http_response
        except self._module.APIStatusError as error:
            response = error.response
        except self._module.APITimeoutError:
            raise LostAnswer("api.timeout", "Cloudflare's API did not answer in time") from None
        except self._module.APIConnectionError as error:
            reason = self.redactor.text(error.__cause__ or "no reason given")
            raise LostAnswer("api.connection", f"the connection to Cloudflare's API failed: {reason}") from None
        except (self._module.CloudflareError, TypeError, ValueError) as error:
            raise JobError("api.call", f"the call cannot be made: {self.redactor.text(error)}") from None
        body, kind = response.content, response.headers.get("content-type", "")
        try:
            return result_of(response.status_code, kind, body)
        except JobError as error:
            raise LostAnswer(error.code, str(error)) from None

    def _refuse(self, action: str, refusal: Refusal, dataset: str | None, *, for_zones: bool = False) -> NoReturn:
        """Raise the error that says why a call was refused, and what to do."""
        said = self._said(action, refusal)
        if is_job_limit(refusal):
            count = "a zone has at most 4 jobs, so " if self.scope == "zone" else ""
            raise JobError("job.limit", f"{said}; {count}delete one first") from None
        if not is_about_access(refusal):
            raise JobError("api.refused", said) from None
        token = self.token_state()
        if fault := token_fault(token, refusal):
            raise JobError("api.token", f"{said}; {fault}") from None
        need = missing_permission(self.scope, self.scope_id, dataset, for_zones=for_zones)
        doubt = ""
        if token.state == "invalid":
            doubt = "; if it is a token of a user and not of an account, it is mistyped or deleted"
        raise JobError("api.permission", f"{said}; {need}{doubt}") from None

    def _said(self, action: str, refusal: Refusal) -> str:
        return f"Cloudflare refused to {action}: {self.redactor.text(refusal)}"


def _object(action: str, result: Any) -> dict[str, Any]:
    if not isinstance(result, dict):
        raise LostAnswer("api.answer", f"the answer to the request to {action} has no result")
    return result


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:40]
