"""Which refusals are about the token or its permissions, by the codes and texts that users report."""

from __future__ import annotations

import pytest

from cfdns_fast.jobs.envelope import Refusal
from cfdns_fast.jobs.permissions import is_about_access, is_job_limit, missing_permission


@pytest.mark.parametrize(
    ("status", "code", "text", "expected"),
    [
        (403, 10000, "Authentication error", True),
        (400, 10000, "Authentication error", True),
        (403, 9109, "Unauthorized to access requested resource", True),
        (400, 6003, "Invalid request headers", True),
        (400, 1004, "reading job for product 'dns_logs' is not allowed", True),
        (401, 0, "no text", True),
        (400, 1004, "creating a new job is not allowed: exceeded max jobs allowed", False),
        (403, 1004, "creating a new job is not allowed: exceeded max jobs allowed", False),
        (400, 1002, "error validating destination", False),
        (404, 7003, "Could not route to /zones/x", False),
        (429, 10429, "rate limited", False),
    ],
)
def test_refusal_is_about_access(status: int, code: int, text: str, expected: bool) -> None:
    refusal = Refusal(status, ((code, text),))
    assert is_about_access(refusal) is expected
    assert is_job_limit(refusal) is ("exceeded" in text)


def test_permission_depends_on_the_scope_and_dataset() -> None:
    assert missing_permission("zone", "z", "dns_logs").startswith(
        "the API token needs the permission Zone / Logs / Edit for the zone z"
    )
    assert "Account / Logs / Edit and Account / Zero Trust: PII Read for the account a" in missing_permission(
        "account", "a", "gateway_dns"
    )
    assert "for the dataset gateway_dns also" in missing_permission("account", "a", None)
    assert "gateway_dns" not in missing_permission("zone", "z", None)
