"""docs/sinks.md has the options that the kinds declare, and its URLs can be used."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)

from cfdns_fast.sinks import check_sink, kinds

SCRIPT = Path(__file__).parents[2] / "docs" / "sinks.py"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="no documentation around the tests")


def page() -> Any:
    """Return docs/sinks.py as a module."""
    spec = importlib.util.spec_from_file_location("sinks_page", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_of_sinks_is_generated() -> None:
    made = page()
    assert made.PAGE.read_text(encoding="utf-8") == made.render(), "run: python docs/sinks.py"


def test_page_of_sinks_has_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    # Libraries that are not installed are not needed to check a URL.
    monkeypatch.setattr(kinds, "find_spec", lambda name: True)
    environment = {name: "Name: x" if "HEADERS" in name else "x" for name in _NAMES}
    checked = [check_sink(url, environment=environment) for url in page().examples()]
    assert {info.kind for info in checked} == set(kinds.KINDS)


_NAMES = ("INTAKE_KEY", "COLLECTOR_HEADERS", "ES_API_KEY", "OS_PASSWORD", "S3_KEY", "S3_SECRET")
