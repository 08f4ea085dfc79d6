"""The public API: names, exceptions, what an import loads, split_domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.processes import run_python

import cfdns_fast
from cfdns_fast import split_domain
from cfdns_fast.errors import CfdnsError, EngineError, MappingError, RecordError

# Public names


@pytest.mark.parametrize(
    "name",
    ["parse", "Normalizer", "Result", "Reject", "Rejects", "Stream", "EventIterator", "RejectSpill", "split_domain"],
)
def test_package_has_the_public_name(name: str) -> None:
    assert name in cfdns_fast.__all__
    assert callable(getattr(cfdns_fast, name))


@pytest.mark.parametrize("error", [CfdnsError, MappingError, RecordError, EngineError])
def test_package_reexports_exceptions(error: type) -> None:
    assert getattr(cfdns_fast, error.__name__) is error


def test_exceptions_follow_the_documented_tree() -> None:
    assert issubclass(CfdnsError, Exception)
    assert issubclass(MappingError, CfdnsError) and issubclass(MappingError, ValueError)
    assert issubclass(RecordError, CfdnsError) and issubclass(RecordError, ValueError)
    assert issubclass(EngineError, CfdnsError) and issubclass(EngineError, RuntimeError)


def test_package_imports_its_names_at_first_use() -> None:
    code = """
import sys, cfdns_fast
print([name for name in sys.modules if name.startswith("cfdns_fast.") and name != "cfdns_fast.lazy"])
print(cfdns_fast.errors.REJECT_CODES is not None, set(cfdns_fast.__all__) <= set(dir(cfdns_fast)))
print(all(getattr(cfdns_fast, name).__name__ == name for name in cfdns_fast.__all__))
print(hasattr(cfdns_fast, "nothing"), hasattr(cfdns_fast, "__wrapped__"))
from cfdns_fast import *
print(Normalizer is cfdns_fast.normalizer.Normalizer)
"""
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("[]\nTrue True\nTrue\nFalse False\nTrue\n", "")


def test_import_loads_no_heavy_module() -> None:
    heavy = [
        "tldextract",
        "idna",
        "requests",
        "click",
        "typer",
        "rich",
        "tqdm",
        "simdjson",
        "cfdns_fast.cli.app",
        "cfdns_fast.reference",
    ]
    done = run_python(f"import sys, cfdns_fast; print([m for m in {heavy!r} if m in sys.modules])")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_conversion_needs_no_network_and_no_cache(tmp_path: Path) -> None:
    code = """
import socket, sys
def refuse(*args, **kwargs): raise SystemExit("network used")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
import cfdns_fast
print(cfdns_fast.parse(b'{"QueryName":"a.b.co.uk"}')["dns"]["question"]["registered_domain"])
print(cfdns_fast.split_domain("a.github.io", private_suffixes=True).registered_domain)
print({"tldextract", "requests", "idna", "simdjson"} & set(sys.modules))
"""
    done = run_python(code, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), TLDEXTRACT_CACHE=str(tmp_path / "cache"))
    assert (done.stdout, done.stderr) == ("b.co.uk\na.github.io\nset()\n", "")
    assert list(tmp_path.iterdir()) == []


# split_domain


def test_split_domain_absent_parts_are_none() -> None:
    parts = split_domain("www.example.co.uk")
    assert (parts.registered_domain, parts.top_level_domain, parts.subdomain) == ("example.co.uk", "co.uk", "www")
    parts = split_domain("localhost")
    assert (parts.registered_domain, parts.top_level_domain, parts.subdomain) == (None, None, None)
    parts = split_domain("")
    assert (parts.registered_domain, parts.top_level_domain, parts.subdomain) == (None, None, None)


@pytest.mark.parametrize("name", [b"example.com", None, 5, ["a", "com"]], ids=repr)
def test_split_domain_non_text_raises_type_error(name: Any) -> None:
    with pytest.raises(TypeError):
        split_domain(name)


def test_split_domain_options_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        split_domain("example.com", True)
