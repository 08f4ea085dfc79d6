"""Look up the addresses of events in networks. Part of the specification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from ..domains import is_ip_literal
from ..mapping import Field
from ..mapping import Mapping as EventMapping
from ..matching.networks import ANSWER, SOURCE, NetworkTable
from ..results import Detection

__all__ = ["AddressFinder"]

#: The fields that hold addresses: `Detection.field`, the targets in ECS and in OCSF, and the role of its addresses.
_ADDRESSES = (
    ("source", ("source.ip", "src_endpoint.ip"), SOURCE),
    ("answer", ("dns.resolved_ip", "answers"), ANSWER),
)


class _Networks:
    """The networks of a table; the twin of the table of `matching`."""

    def __init__(self, table: NetworkTable) -> None:
        self._rows: dict[Any, tuple[int, int, int]] = {}
        for row, network, roles, number in table.rows():
            self._rows.setdefault(network, (row, number, roles))

    def find(self, text: str, role: int) -> tuple[int, int] | None:
        """Return the row and the number of the longest network that holds an address and has a role."""
        if not is_ip_literal(text):
            return None
        address = ip_address(text)
        address = getattr(address, "ipv4_mapped", None) or address
        holding = [each for each, (_, _, roles) in self._rows.items() if address in each and roles & role]
        longest = max(holding, key=lambda network: network.prefixlen, default=None)
        return None if longest is None else self._rows[longest][:2]


class AddressFinder:
    """Finds the addresses of events in the networks of matchers.

    Parameters
    ----------
    matchers : sequence
        The matchers, by `Detection.matcher`.
    mapping : mapping.Mapping
        The mapping of the events. It says where their addresses come from.
    """

    def __init__(self, matchers: Sequence[Any], mapping: EventMapping) -> None:
        self._addresses = [
            (field, to, role) for field, targets, role in _ADDRESSES for to in _with_texts(mapping, targets)[:1]
        ]
        self._tables: list[tuple[int, _Networks, Any]] = []
        for number, matcher in enumerate(matchers):
            table = matcher if isinstance(matcher, NetworkTable) else getattr(matcher, "networks", None)
            if isinstance(table, NetworkTable):
                self._tables.append((number, _Networks(table), matcher))

    def detections(self, event: Mapping[str, Any], number: int) -> Iterator[Detection]:
        """Yield what is found in the addresses of the event of this number."""
        for matcher, table, by in self._tables:
            for field, to, role in self._addresses:
                for text in _texts_at(event, to):
                    found = table.find(text, role)
                    if found is not None:
                        yield Detection(number, -1, matcher, found[0], found[1], 0, text, by, field)


def _with_texts(mapping: EventMapping, targets: tuple[str, ...]) -> list[str]:
    """Return the targets of a mapping whose values are texts of records, or objects that each hold one."""
    return [to for to in targets if _holds_texts([field for field in mapping.fields if field.to == to])]


def _holds_texts(fields: list[Field]) -> bool:
    return bool(fields) and all(
        field.kind != "constant" and (field.json_class.endswith("text") or field.member is not None) for field in fields
    )


def _texts_at(event: Mapping[str, Any], to: str) -> list[str]:
    value: Any = event
    for key in to.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    items = value if isinstance(value, list) else [value]
    texts = (text for each in items for text in (each.values() if isinstance(each, dict) else [each]))
    return [text for text in texts if isinstance(text, str)]
