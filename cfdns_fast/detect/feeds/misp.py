"""MISP events, as exported or in a feed: attributes of the event and of its objects."""

from __future__ import annotations

from typing import Any

from .collector import Collector
from .json_items import Item
from .store import Facts
from .times import time_ns
from .values import ANSWER, BOTH, SELF, SOURCE, Address, Name, read_value

__all__ = ["MispReader"]

#: Attribute type -> the flags of its name. A URL is one host, and only without a path.
_NAME_FLAGS = {
    "domain": BOTH,
    "domain|ip": BOTH,
    "hostname": SELF,
    "hostname|port": SELF,
    "url": SELF,
    "uri": SELF,
}
#: Attribute type -> the roles of its address: a destination is a server, so it is no client.
_ROLES = {
    "ip-src": SOURCE | ANSWER,
    "ip-src|port": SOURCE | ANSWER,
    "ip-dst": ANSWER,
    "ip-dst|port": ANSWER,
    "domain|ip": ANSWER,
}

#: Maximum number of publishers and tags of events that are kept. It bounds the memory.
_MAX_EVENTS = 200_000

#: Maximum number of tags that are read of an event or an attribute.
_MAX_TAGS = 100


class MispReader:
    """Reads the attributes of MISP events.

    The publisher and the tags of an event may follow its attributes, so these refer to the number of the event.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._event = 0

    @staticmethod
    def may_descend(path: tuple[str, ...]) -> bool:
        """Return whether a value that is large is read by its members."""
        names = path[2:] if path[:2] == ("response", "*") else path[1:] if path[:1] == ("*",) else path
        return path in (("response",), ("*",)) or names in ((), ("Event",), ("Event", "Attribute"), ("Event", "Object"))

    def read(self, item: Item) -> None:
        """Read a decoded value: a whole file, an event, or an attribute or object of a large event."""
        path = tuple(each for each in item.path if each != "*")
        if path[-2:] == ("Event", "Attribute"):
            self._attributes(item.value, item.line)
        elif path[-2:] == ("Event", "Object"):
            self._objects(item.value, item.line)
        elif path[-1:] == ("Event",):
            self._read_event(item.value, item.line)
        else:
            self._read_container(item.value, item.line)

    def _read_container(self, value: Any, line: int) -> None:
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, dict):
                continue
            if isinstance(each.get("response"), list):
                for inner in each["response"]:
                    if isinstance(inner, dict):
                        self._read_event(inner.get("Event"), line)
            else:
                self._read_event(each.get("Event"), line)

    def _read_event(self, event: Any, line: int) -> None:
        if not isinstance(event, dict):
            return
        for name, value in event.items():
            self._about_event(name, value)
        self._attributes(event.get("Attribute"), line)
        self._objects(event.get("Object"), line)
        self._event += 1

    def _about_event(self, name: str, value: Any) -> None:
        store = self._collector.store
        if len(store.providers) + len(store.markings) >= _MAX_EVENTS:
            return
        if name == "Orgc" and isinstance(value, dict) and isinstance(value.get("name"), str):
            store.providers[self._reference] = value["name"][:256]
        elif name == "Tag" and (tlp := _tlp(value)) is not None:
            store.markings[self._reference] = tlp

    @property
    def _reference(self) -> str:
        return f"misp:{self._collector.file}:{self._event}"

    def _objects(self, value: Any, line: int) -> None:
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                self._attributes(each.get("Attribute"), line, is_deleted=each.get("deleted") is True)

    def _attributes(self, value: Any, line: int, *, is_deleted: bool = False) -> None:
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                self._attribute(each, line, is_deleted)

    def _attribute(self, attribute: dict[str, Any], line: int, is_deleted: bool) -> None:
        collector = self._collector
        kind, written = str(attribute.get("type")), attribute.get("value")
        if kind not in _NAME_FLAGS and kind not in _ROLES:
            collector.skip("type.other", line)
            return
        if not isinstance(written, str):
            collector.skip("value.empty", line)
            return
        try:
            facts = self._facts(attribute, is_deleted)
        except (ValueError, OverflowError):
            collector.skip("time.invalid", line, written)
            return
        if facts.is_revoked:
            collector.add_entry((), facts, line)
            return
        if attribute.get("to_ids") is not True:
            collector.replace(facts, "to_ids", line, written)
            return
        values: list[Name | Address] = []
        for part in _parts(kind, written):
            value = read_value(part)
            if isinstance(value, str):
                collector.replace(facts, value, line, part)
                return
            if isinstance(value, Name):
                values.append(value._replace(flags=value.flags or _NAME_FLAGS.get(kind, SELF)))
            else:
                values.append(value._replace(roles=_ROLES.get(kind, ANSWER)))
        collector.add_entry(values, facts, line)

    def _facts(self, attribute: dict[str, Any], is_deleted: bool) -> Facts:
        identifier = attribute.get("uuid")
        identifier = identifier[:256] if isinstance(identifier, str) and identifier else None
        comment = attribute.get("comment")
        tlp = _tlp(attribute.get("Tag"))
        return Facts(
            key=None if identifier is None else f"misp:{identifier}",
            id=identifier,
            modified_ns=time_ns(attribute.get("timestamp")),
            first_seen_ns=time_ns(attribute.get("first_seen")),
            last_seen_ns=time_ns(attribute.get("last_seen")),
            tlp=tlp,
            tlp_refs=() if tlp else (self._reference,),
            provider_ref=self._reference,
            description=comment if isinstance(comment, str) and comment else None,
            is_revoked=is_deleted or attribute.get("deleted") is True,
        )


def _parts(kind: str, written: str) -> list[str]:
    """Return the parts of a value that are indicators: ``name|address`` has two, ``address|port`` one."""
    parts = written.split("|")
    return parts[:2] if kind == "domain|ip" else parts[:1]


def _tlp(tags: Any) -> str | None:
    """Return the TLP among the tags of an event or an attribute."""
    for tag in tags[:_MAX_TAGS] if isinstance(tags, list) else ():
        name = tag.get("name") if isinstance(tag, dict) else None
        if isinstance(name, str) and name.lower().startswith("tlp:"):
            return name[4:].strip().upper()[:32]
    return None
