"""The datasets of Logpush: their scope, and the fields that a job of this package requests."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .errors import JobSettingError

__all__ = ["DATASETS", "Dataset", "Scope", "check_fields", "check_name", "dataset_of"]

Scope = Literal["zone", "account"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that this package converts.

    `permissions` are the names that the page of API tokens shows, all of them in the scope of the dataset.
    """

    name: str
    scope: Scope
    fields: tuple[str, ...]
    permissions: tuple[str, ...] = ("Logs Edit",)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Fields by Cloudflare's pages logs/logpush/logpush-job/datasets/{zone,account}/, read in November 2026.
# gateway_dns has about 90 fields. The job requests the ones that the bundled mappings read.
DATASETS: dict[str, Dataset] = {
    each.name: each
    for each in (
        Dataset(
            "dns_logs",
            "zone",
            _words(
                "ColoCode EDNSSubnet EDNSSubnetLength QueryName QueryType ResponseCached ResponseCode SourceIP "
                "Timestamp"
            ),
        ),
        Dataset(
            "dns_firewall_logs",
            "account",
            _words(
                "ClientResponseCode ClusterID ColoCode EDNSSubnet EDNSSubnetLength QueryDO QueryName QueryRD QuerySize "
                "QueryTCP QueryType ResponseCached ResponseCachedStale ResponseReason SourceIP Timestamp UpstreamIP "
                "UpstreamResponseCode UpstreamResponseTimeMs"
            ),
        ),
        Dataset(
            "gateway_dns",
            "account",
            _words(
                "ApplicationID ColoCode ColoID Datetime DeviceID DeviceName DstIP DstPort Email Location LocationID "
                "MatchedCategoryIDs MatchedCategoryNames MatchedIndicatorFeedIDs MatchedIndicatorFeedNames Policy "
                "PolicyID PolicyName Protocol QueryCategoryIDs QueryCategoryNames QueryName QueryNameReversed "
                "QuerySize QueryType QueryTypeName RCode RData ResolvedIPs ResolverDecision SrcIP SrcPort TimeZone "
                "TimeZoneInferredMethod UserID"
            ),
            # Logpush changed the permission for Zero Trust datasets on 2025-11-05.
            permissions=("Logs Edit", "Zero Trust: PII Read"),
        ),
    )
}

#: All datasets of the API, by version 5.9.0 of the SDK: a name of another dataset is not a typing error.
_KNOWN = frozenset(
    _words(
        "access_requests account_abuse_protection_events audit_logs audit_logs_v2 biso_user_actions casb_findings "
        "device_posture_results dex_application_tests dex_device_state_events dlp_forensic_copies dns_firewall_logs "
        "dns_logs email_security_alerts email_security_post_delivery_events firewall_events gateway_dns gateway_http "
        "gateway_network http_requests ipsec_logs magic_bgp_logs magic_ids_detections mcp_portal_logs mnm_flow_logs "
        "nel_reports network_analytics_logs page_shield_events sinkhole_http_logs spectrum_events ssh_logs "
        "turnstile_events warp_config_changes warp_toggle_changes websocket_analytics workers_trace_events "
        "zaraz_events zero_trust_network_sessions"
    )
)
#: Names that the reference page of the intake or its readers use.
_MISTAKEN = {
    "dns_log": "dns_logs",
    "dns": "dns_logs",
    "firewalls_events": "firewall_events",
    "dns_firewall": "dns_firewall_logs",
    "gateway_dns_logs": "gateway_dns",
}


def check_name(name: str) -> str:
    """Return the name of a dataset of the API.

    Raises JobSettingError for another name; the message names the right one if there is a similar one.
    """
    if name in _KNOWN:
        return name
    plain = name.strip().lower().replace("-", "_")
    similar = _MISTAKEN.get(plain) or next(iter(difflib.get_close_matches(plain, sorted(_KNOWN), 1, 0.75)), None)
    hint = f"the dataset is called {similar}" if similar else f"datasets of DNS are {', '.join(DATASETS)}"
    raise JobSettingError("job.dataset", f"there is no dataset {name!r}: {hint}")


def dataset_of(name: str) -> Dataset:
    """Return a dataset that this package converts. Raises JobSettingError for all others."""
    check_name(name)
    if name not in DATASETS:
        raise JobSettingError(
            "job.dataset", f"{name} has no DNS logs; jobs are made for the datasets {', '.join(DATASETS)}"
        )
    return DATASETS[name]


def check_fields(dataset: Dataset, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of fields. Raises JobSettingError if one is empty, doubled or only differs in case."""
    known = {name.lower(): name for name in dataset.fields}
    if not names:
        raise JobSettingError("job.fields", "a job needs at least one field: the API has no option for all fields")
    for name in names:
        if not (name.isascii() and name.replace("_", "").isalnum()):
            raise JobSettingError("job.fields", f"{name!r} is not the name of a field")
        if known.get(name.lower(), name) != name:
            raise JobSettingError("job.fields", f"there is no field {name}: it is called {known[name.lower()]}")
        if names.count(name) > 1:
            raise JobSettingError("job.fields", f"the field {name} is named twice")
    return tuple(names)
