"""What a refused call lacks: a valid token, or a permission of the token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .datasets import DATASETS, Scope
from .envelope import Refusal

__all__ = ["TokenState", "is_about_access", "is_job_limit", "missing_permission"]

#: 1000, 6003, 6111 and 9103 are about the token; 9109, 10000 and 10001 also about its permissions.
_ACCESS_CODES = frozenset((6003, 6111, 9103, 9106, 9107, 9109, 10000, 10001))
_TOKEN_CODES = frozenset((1000, 6003, 6111, 9103, 9106, 9107))
_NOT_ALLOWED = "is not allowed"
_JOB_LIMIT = "exceeded max jobs allowed"


@dataclass(frozen=True, slots=True)
class TokenState:
    """What Cloudflare says of a token: its state, and until or from when it is valid (RFC 3339)."""

    state: Literal["active", "disabled", "expired", "invalid", "unknown"]
    not_before: str | None = None
    expires_on: str | None = None


def is_job_limit(refusal: Refusal) -> bool:
    """Whether the zone or account already has all the jobs that it may have."""
    return any(_JOB_LIMIT in text for _, text in refusal.errors)


def is_about_access(refusal: Refusal) -> bool:
    """Whether the reason is the token or its permissions."""
    if is_job_limit(refusal):
        return False
    return (
        refusal.status in (401, 403)
        or bool(refusal.codes & _ACCESS_CODES)
        or any(code == 1004 and _NOT_ALLOWED in text for code, text in refusal.errors)
    )


def token_fault(token: TokenState, refusal: Refusal) -> str | None:
    """Return a clause on a token that cannot be used; None if it is active or nothing is known."""
    if token.state == "invalid" and not _names_token(refusal):
        # The call that verifies tokens of users does not know a valid token that belongs to an account.
        return None
    match token.state:
        case "disabled":
            return "the API token is disabled; enable it on the page of API tokens"
        case "expired":
            when = f" on {token.expires_on}" if token.expires_on else ""
            return f"the API token expired{when}; create a new one"
        case "invalid":
            return (
                "Cloudflare does not know the API token: it is mistyped or deleted, or it is a global API key, "
                "which this command does not use"
            )
    return None


def _names_token(refusal: Refusal) -> bool:
    """Whether the reason is the token itself. 9109 is also the code of a missing permission."""
    return any(code in _TOKEN_CODES or (code == 9109 and "token" in text) for code, text in refusal.errors)


def missing_permission(scope: Scope, scope_id: str, dataset: str | None, *, for_zones: bool = False) -> str:
    """Return a clause that names the permission which an active token lacks.

    Parameters
    ----------
    dataset : str or None
        The dataset of the call, if there is one.
    for_zones : bool
        Whether the call looked up the id of a zone.
    """
    if for_zones:
        return (
            "the API token has no permission Zone / Zone / Read, which looking up a zone by its name needs; "
            "add it, or give the id of the zone"
        )
    known = DATASETS.get(dataset or "")
    permissions = known.permissions if known else ("Logs Edit",)
    group = scope.capitalize()
    named = " and ".join(f"{group} / {_shown(each)}" for each in permissions)
    plural = "s" if len(permissions) > 1 else ""
    hint = "" if known or scope == "zone" else ", and for the dataset gateway_dns also Account / Zero Trust: PII Read"
    return (
        f"the API token needs the permission{plural} {named}{hint} for the {scope} {scope_id} "
        "(Logs / Read is not enough, even to list jobs)"
    )


def _shown(permission: str) -> str:
    """Return a permission as the page of API tokens shows it: the group, then the level."""
    return " / ".join(permission.rsplit(" ", 1)) if permission.startswith("Logs") else permission
