"""STIX 2.1: bundles, arrays, JSON lines, TAXII envelopes, and pages of objects under ``items``."""

from __future__ import annotations

from typing import Any

from .collector import Collector
from .json_items import Item
from .stix_pattern import read_pattern
from .store import Facts
from .times import time_ns
from .values import ANSWER, SOURCE, Address

__all__ = ["StixReader"]

#: The marking definitions of TLP 1 (STIX 2.1 section 7.2.1.4) and TLP 2 (oasis-open/cti-stix-common-objects).
_TLP = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "WHITE",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "GREEN",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "AMBER",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "RED",
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "CLEAR",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "GREEN",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "AMBER",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "AMBER+STRICT",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "RED",
}

#: Maximum numbers of identities and marking definitions, and of references of one object. They bound the memory.
_MAX_NAMES = 100_000
_MAX_REFERENCES = 8


class StixReader:
    """Reads the objects of a STIX file."""

    #: Members that hold objects: of a bundle and of TAXII 2.1, of Sekoia's API.
    containers = ("objects", "items")

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    @staticmethod
    def may_descend(path: tuple[str, ...]) -> bool:
        """Return whether a value that is large is read by its members."""
        return path in ((), ("objects",), ("items",), ("*",), ("*", "objects"))

    def read(self, item: Item) -> None:
        """Read a decoded value: an object, a list of objects, or a container of them."""
        self._read(item.value, item.line)

    def _read(self, value: Any, line: int) -> None:
        pending = [value]
        while pending:
            value = pending.pop()
            if isinstance(value, list):
                pending.extend(reversed(value))
            elif isinstance(value, dict):
                kind = value.get("type")
                if kind == "indicator":
                    self._indicator(value, line)
                elif kind == "identity":
                    self._name(self._collector.store.providers, value, value.get("name"))
                elif kind == "marking-definition":
                    self._name(self._collector.store.markings, value, _tlp_of_definition(value))
                else:
                    pending.extend(value[name] for name in self.containers if isinstance(value.get(name), list))

    def _name(self, names: dict[str, str], value: dict[str, Any], text: object) -> None:
        identifier = value.get("id")
        if isinstance(identifier, str) and isinstance(text, str) and text and len(names) < _MAX_NAMES:
            names[identifier[:256]] = text[:256]

    def _indicator(self, value: dict[str, Any], line: int) -> None:
        collector = self._collector
        identifier, pattern = _text(value.get("id"), 256), value.get("pattern")
        shown = pattern if isinstance(pattern, str) else ""
        is_revoked = value.get("revoked") is True
        try:
            modified_ns = time_ns(value.get("modified") or value.get("created"))
        except (ValueError, OverflowError):
            # It cannot be said which version is newer.
            collector.skip("time.invalid", line, shown)
            return
        # A revoked or unread version still replaces an older one, so that no withdrawn value stays.
        version = Facts(key=identifier, id=identifier, modified_ns=modified_ns, is_revoked=is_revoked)
        if is_revoked:
            collector.add_entry((), version, line)
            return
        if value.get("pattern_type", "stix") != "stix" or not isinstance(pattern, str):
            collector.replace(version, "pattern.type", line, "")
            return
        try:
            facts = _facts(value, version)
        except (ValueError, OverflowError):
            collector.replace(version, "time.invalid", line, shown)
            return
        found = read_pattern(pattern)
        # OpenCTI says so of what is context only, as MISP does.
        if value.get("x_opencti_detection") is False:
            found = "to_ids"
        if isinstance(found, str):
            collector.replace(facts, found, line, shown)
            return
        # The address of a server is no client (see the kill chain in docs/detection.md).
        roles = ANSWER if "command-and-control" in facts.kill_chain else SOURCE | ANSWER
        collector.add_entry(
            [value._replace(roles=roles) if isinstance(value, Address) else value for value in found], facts, line
        )


def _facts(value: dict[str, Any], version: Facts) -> Facts:
    confidence = value.get("confidence")
    if confidence is None:
        confidence = value.get("x_opencti_score")
    references = [each for each in _list(value, "external_references") if isinstance(each, dict)]
    markings = tuple(each for each in _list(value, "object_marking_refs") if isinstance(each, str))
    tlp = next((_TLP[each] for each in markings if each in _TLP), None)
    phases = (each.get("phase_name") for each in _list(value, "kill_chain_phases") if isinstance(each, dict))
    return Facts(
        key=version.key,
        id=version.id,
        modified_ns=version.modified_ns,
        valid_from_ns=time_ns(value.get("valid_from")),
        valid_until_ns=time_ns(value.get("valid_until")),
        first_seen_ns=time_ns(value.get("first_seen") or value.get("created")),
        last_seen_ns=time_ns(value.get("last_seen")),
        confidence=_confidence(confidence),
        tlp=tlp,
        tlp_refs=() if tlp else tuple(each[:256] for each in markings),
        provider_ref=_text(value.get("created_by_ref")),
        kill_chain=tuple(each[:64] for each in phases if isinstance(each, str)),
        reference=next((each["url"] for each in references if isinstance(each.get("url"), str)), None),
        description=_text(value.get("description")) or _text(value.get("name")),
    )


def _list(value: dict[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found[:_MAX_REFERENCES] if isinstance(found, list) else []


def _text(value: object, max_characters: int = 1_024) -> str | None:
    return value[:max_characters] if isinstance(value, str) and value else None


def _confidence(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1_000_000:
        return None
    return min(100, max(0, int(value)))


def _tlp_of_definition(value: dict[str, Any]) -> str | None:
    """Return the TLP of a marking definition: that of TLP 1, or of a name such as ``TLP:AMBER+STRICT``."""
    definition = value.get("definition")
    text = definition.get("tlp") if isinstance(definition, dict) else None
    if not isinstance(text, str):
        name = value.get("name")
        text = name[4:] if isinstance(name, str) and name.upper().startswith("TLP:") else None
    return text.strip().upper()[:32] if text else None
