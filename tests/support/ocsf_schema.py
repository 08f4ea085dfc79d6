"""Derive tests/mapping/ocsf_dns_activity.json from an export of OCSF: ``python ocsf_schema.py EXPORT > FILE``.

An export is what https://schema.ocsf.io/VERSION/export/v2/schema returns. The JSON Schema has the class DNS Activity
with the profiles that the mappings use, and every object that the class reaches. A ``$comment`` has the requirement of
an attribute. Captions are in ``x-captions``, by number; descriptions are left out.
"""

from __future__ import annotations

import json
import sys
from typing import Any

PROFILES = ("cloud", "datetime", "host", "security_control")

_JSON_TYPES = {
    "boolean_t": "boolean",
    "integer_t": "integer",
    "long_t": "integer",
    "float_t": "number",
    "string_t": "string",
}


def json_schema(export: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of class dns_activity."""
    types = export["dictionary"]["types"]["attributes"]
    reached: dict[str, dict[str, Any]] = {}
    waiting: list[str] = []

    def of_value(attribute: dict[str, Any]) -> dict[str, Any]:
        kind = attribute["type"]
        if kind == "object_t":
            waiting.append(attribute["object_type"])
            return {"$ref": f"#/$defs/{attribute['object_type']}"}
        if kind == "json_t":
            return {}
        scalar = types[kind]
        made: dict[str, Any] = {"type": _JSON_TYPES.get(kind) or _JSON_TYPES[scalar["type"]]}
        if "regex" in scalar:
            made["pattern"] = scalar["regex"]
        if "max_len" in scalar:
            made["maxLength"] = scalar["max_len"]
        if "range" in scalar:
            made["minimum"], made["maximum"] = scalar["range"]
        if attribute.get("enum"):
            numbers = attribute["enum"]
            made["enum"] = sorted(int(number) if made["type"] == "integer" else number for number in numbers)
            made["x-captions"] = {number: numbers[str(number)]["caption"] for number in made["enum"]}
        return made

    def of_object(described: dict[str, Any]) -> dict[str, Any]:
        properties = {}
        for name, attribute in sorted(described["attributes"].items()):
            profiles = attribute.get("profiles")
            if profiles and not set(profiles) & set(PROFILES):
                continue
            value = of_value(attribute)
            if attribute.get("is_array"):
                value = {"type": "array", "items": value}
            properties[name] = value | {"$comment": attribute.get("requirement") or "optional"}
        made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": not properties}
        made["required"] = [name for name, each in properties.items() if each["$comment"] == "required"]
        for constraint, keyword in (("at_least_one", "anyOf"), ("just_one", "oneOf")):
            if names := described.get("constraints", {}).get(constraint):
                made[keyword] = [{"required": [name]} for name in names]
        return made

    schema = of_object(export["classes"]["dns_activity"])
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = of_object(export["objects"][name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Derived by tests/support/ocsf_schema.py from https://schema.ocsf.io/{export['version']}/export/v2/"
        "schema. Open Cybersecurity Schema Framework, Apache-2.0.",
        "title": f"DNS Activity, OCSF {export['version']}, profiles {', '.join(PROFILES)}",
        **schema,
        "$defs": dict(sorted(reached.items())),
    }


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        json.dump(json_schema(json.load(file)), sys.stdout, ensure_ascii=False, separators=(",", ":"))
        sys.stdout.write("\n")
