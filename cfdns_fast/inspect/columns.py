"""The fields that are counted, and where a record batch has them."""

from __future__ import annotations

from typing import Any

from .arrow_library import compute, pyarrow, text_array
from .column_values import coalesced, first_elements, value_type_of, without_values

__all__ = ["ATTRIBUTES", "CACHED", "CLIENT", "CODE", "DATA_CENTRE", "DOMAIN", "EDNS", "FIELDS", "HOSTNAME", "NAME"]
__all__ += ["PROBLEMS", "SUFFIX", "TIME", "TOPS", "TYPE", "column_names", "columns_of", "problems_in", "short_texts"]
__all__ += ["texts"]

TIME = "@timestamp"
NAME = "dns.question.name"
DOMAIN = "dns.question.registered_domain"
SUFFIX = "dns.question.top_level_domain"
TYPE = "dns.question.type"
CODE = "dns.response_code"
DATA_CENTRE = "cloudflare.ColoCode"
CLIENT = "source.ip"
CACHED = "cloudflare.ResponseCached"
EDNS = "cloudflare.EDNSSubnet"
PROBLEMS = "error.message"

#: The attributes of schema ocsf, and the fields that they are counted as. OCSF has no attribute for registered domains.
HOSTNAME = "query.hostname"
_MILLISECONDS = "time"
_DEBUG = "metadata.debug"
ATTRIBUTES = {
    "time_dt": TIME,
    _MILLISECONDS: TIME,
    HOSTNAME: NAME,
    "query.type": TYPE,
    "rcode": CODE,
    "cloud.zone": DATA_CENTRE,
    "src_endpoint.ip": CLIENT,
    "unmapped.ResponseCached": CACHED,
    "unmapped.EDNSSubnet": EDNS,
    _DEBUG: PROBLEMS,
}

_NAMES_OF_FIELDS = (TIME, NAME, DOMAIN, SUFFIX, TYPE, CODE, DATA_CENTRE, CLIENT, CACHED, EDNS, PROBLEMS)
#: The names of all fields that are read.
FIELDS = (*_NAMES_OF_FIELDS, *ATTRIBUTES)
#: The fields of which the most frequent values are shown: their keys and titles, in the order in which they are shown.
TOPS = {
    CODE: ("response_codes", "Response codes"),
    TYPE: ("query_types", "Query types"),
    DOMAIN: ("registered_domains", "Registered domains"),
    NAME: ("names", "Names"),
    SUFFIX: ("top_level_domains", "Top-level domains"),
    DATA_CENTRE: ("data_centres", "Data centres"),
    CLIENT: ("clients", "Clients"),
}

_NAMES = frozenset({NAME, DOMAIN, SUFFIX})
#: The spellings of the bundled schemas, in upper case, that DNS software does not use, and its own.
_SPELLINGS = {
    CODE: (
        ("^(BADVERS OR BADSIG|BADSIG_VERS)$", "BADVERS"),
        ("^FORMERROR$", "FORMERR"),
        ("^SERVERROR$", "SERVFAIL"),
    ),
    TYPE: ((r"^\*$", "ANY"),),
}
#: Response codes of schema ocsf that stand for numbers without a name, which the other schemas leave out.
_UNNAMED = text_array(("Unassigned", "Reserved"))
#: Longer values are cut, because the memory for values is bounded. A name has at most 255 bytes.
_MAX_CHARACTERS = 512
#: The same for texts that are divided before their parts are counted: the problems of a record are one text, and a name
#: has its domain at the end.
_MAX_DIVIDED_CHARACTERS = 1 << 13
_DIVIDED = frozenset({PROBLEMS, HOSTNAME})
#: By the names of the layouts "underscore" and "dotted".
_FIELDS_BY_NAME = {field.replace("@", "").replace(".", "_").lower(): field for field in FIELDS} | {
    field: field for field in FIELDS
}


def columns_of(batch: Any) -> dict[str, Any]:
    """Return the columns that are counted by field, those of nested objects too.

    A column is recognised by the metadata ``ecs`` that this package writes, or by its name in any of the layouts. A
    column of a type that its field cannot have is left out. Names of schema ocsf are also the column `HOSTNAME`,
    because their domains must be split.
    """
    found: dict[str, list[Any]] = {}
    hostnames: dict[str, Any] = {}
    for name, path in _found_fields(batch.schema).items():
        column = batch.column(path[0])
        for position in path[1:]:
            column = compute.struct_field(column, [position])
        if name == _MILLISECONDS:
            column = column.cast(pyarrow.timestamp("ms", "UTC"))
        elif name == _DEBUG:
            column = first_elements(column)
        if name == HOSTNAME:
            hostnames[HOSTNAME] = _countable(HOSTNAME, column)
        column = _countable(ATTRIBUTES.get(name, name), column)
        if name == "rcode":
            column = without_values(column, _UNNAMED)
        found.setdefault(ATTRIBUTES.get(name, name), []).append(column)
    return {field: coalesced(columns) for field, columns in found.items()} | hostnames


def _countable(field: str, column: Any) -> Any:
    """Return a column without views of texts, which some functions do not accept; texts of a dictionary are cut."""
    if isinstance(column, pyarrow.DictionaryArray):
        return pyarrow.DictionaryArray.from_arrays(column.indices, short_texts(field, column.dictionary))
    return column.cast(pyarrow.string()) if pyarrow.types.is_string_view(column.type) else column


def short_texts(field: str, values: Any) -> Any:
    """Return an array of texts of a field, in which long ones are cut."""
    max_characters = _MAX_DIVIDED_CHARACTERS if field in _DIVIDED else _MAX_CHARACTERS
    if len(values) and (compute.max(compute.binary_length(values)).as_py() or 0) > max_characters:
        return compute.utf8_slice_codeunits(values, 0, max_characters)
    return values


def problems_in(text: str) -> list[str]:
    """Return the different problems in the text of an event, each cut as other values are."""
    return list(dict.fromkeys(each[:_MAX_CHARACTERS] for each in text.split(", ")))


def column_names(schema: Any) -> list[str]:
    """Return the names of the columns of a Parquet file that are counted, with dots before members of structs."""
    made = []
    for path in _found_fields(schema).values():
        field, names = schema.field(path[0]), [schema.field(path[0]).name]
        for position in path[1:]:
            field = field.type.field(position)
            names.append(field.name)
        made.append(".".join(names))
    return made


def _found_fields(schema: Any) -> dict[str, tuple[int, ...]]:
    """Return the position of each field that is counted: of its column, and of the members of structs."""
    found: dict[str, tuple[int, ...]] = {}
    for position, field in enumerate(schema):
        _collect(field, field.name, (position,), found)
    if not found.keys() & (ATTRIBUTES.keys() - {_MILLISECONDS}):
        # A column of another program with this name may be anything.
        found.pop(_MILLISECONDS, None)
    # An exact time is before the one in milliseconds.
    return {name: found[name] for name in FIELDS if name in found}


def _collect(field: Any, path: str, positions: tuple[int, ...], found: dict[str, tuple[int, ...]]) -> None:
    metadata = field.metadata or {}
    name = metadata[b"ecs"].decode("utf-8", "replace") if b"ecs" in metadata else _FIELDS_BY_NAME.get(path, path)
    if name in FIELDS:
        if _is_usable(name, field.type):
            found.setdefault(name, positions)
    elif pyarrow.types.is_struct(field.type) and any(each.startswith(f"{name}.") for each in FIELDS):
        for position, inner in enumerate(field.type):
            _collect(inner, f"{name}.{inner.name}", (*positions, position), found)


def _is_usable(name: str, type_: Any) -> bool:
    """Return whether a column has the type of its field; a file of another program may have any."""
    types = pyarrow.types
    if name in (TIME, "time_dt"):
        return bool(types.is_timestamp(type_))
    if name == _MILLISECONDS:
        return bool(types.is_int64(type_))
    if name == _DEBUG:
        return bool(types.is_list(type_)) and _is_text(type_.value_type)
    if ATTRIBUTES.get(name, name) == CACHED:
        return bool(types.is_boolean(type_))
    return _is_text(type_)


def _is_text(type_: Any) -> bool:
    types = pyarrow.types
    value_type = value_type_of(type_)
    if types.is_string(value_type) or types.is_large_string(value_type):
        return True
    return bool(types.is_string_view(type_))


def texts(field: str, values: Any) -> Any:
    """Return different values of a field as they are shown: names in lower case, codes in the spelling of DNS software.

    Parameters
    ----------
    values : pyarrow.Array
        Texts without nulls.
    """
    if pyarrow.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    values = values.cast(pyarrow.string())
    values = short_texts(field, values)
    if field in _NAMES:
        return compute.ascii_lower(values)
    if field in _SPELLINGS:
        values = compute.ascii_upper(values)
        for pattern, spelling in _SPELLINGS[field]:
            values = compute.replace_substring_regex(values, pattern, spelling)
    return values
