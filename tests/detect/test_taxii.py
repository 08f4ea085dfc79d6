"""The recipe for TAXII, against medallion on the loopback device."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.documentation import ROOT, blocks
from support.feeds import matches

from cfdns_fast.detect import Indicators

PAGE = ROOT / "docs" / "recipes" / "taxii.md"
AUTHORIZATION = "Basic " + base64.b64encode(b"user:secret").decode("ascii")
COLLECTION = "472c94ae-3113-4e3e-a4dd-a9f4ac7471d4"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="no documentation around the tests")

#: Runs the server of medallion on a free port, and prints the port. Its backend starts threads that do not end.
SERVER = """
import json, logging, sys
from werkzeug.serving import make_server
from medallion import application_instance as app, register_blueprints, set_config
logging.disable()
configuration = json.load(open(sys.argv[1]))
for name in ("users", "taxii", "backend"):
    set_config(app, name, configuration)
register_blueprints(app)
server = make_server("127.0.0.1", 0, app)
print(server.port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def fetch() -> Any:
    names: dict[str, Any] = {"__name__": "recipe"}
    first = next(block for block in blocks(PAGE) if block.language == "python")
    exec(compile("\n" * (first.line - 1) + first.text, first.page, "exec"), names)
    return names["fetch"]


def indicator(number: int, added: str, **members: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an indicator, and its entry in the manifest of the server."""
    identifier = f"indicator--{number:08d}-0000-4000-8000-000000000000"
    value = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": identifier,
        "created": added,
        "modified": added,
        "pattern": f"[domain-name:value = 'n{number}.example']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00.000Z",
        **members,
    }
    media_type = "application/stix+json;version=2.1"
    return value, {"id": identifier, "date_added": added, "version": value["modified"], "media_type": media_type}


def configuration(folder: Path, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> Path:
    collection = {
        "id": COLLECTION,
        "title": "Indicators",
        "can_read": True,
        "can_write": False,
        "media_types": ["application/stix+json;version=2.1"],
        "manifest": [entry for _, entry in pairs],
        "objects": [value for value, _ in pairs],
        "status": [],
    }
    root = {
        "information": {
            "title": "Root",
            "versions": ["application/taxii+json;version=2.1"],
            "max_content_length": 10_000_000,
        },
        "status": [],
        "collections": [collection],
    }
    data = folder / "data.json"
    data.write_text(json.dumps({"/discovery": {"title": "T", "api_roots": []}, "root": root}))
    backend = {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": str(data)}
    path = folder / "configuration.json"
    path.write_text(json.dumps({"backend": backend, "users": {"user": "secret"}, "taxii": {"max_page_size": 100}}))
    return path


def serve(path: Path) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the server did not start"
        yield f"http://127.0.0.1:{port}/root/collections/{COLLECTION}/"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("medallion") is None, reason="medallion is part of the extra services")
def test_taxii_round_trip(tmp_path: Path, fetch: Any) -> None:
    """500 objects in pages of 100; then what was added since."""
    # The server's answers are ordered by the time of addition.
    pairs = [indicator(n, f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}.000000Z") for n in range(498)]
    pairs.append(indicator(498, "2026-02-01T00:00:00.000000Z"))
    pairs.append(indicator(499, "2026-02-02T00:00:00.000000Z", revoked=True))
    path = str(tmp_path / "feed.json")
    for collection in serve(configuration(tmp_path, pairs)):
        last = fetch(collection, path, Authorization=AUTHORIZATION)
        assert Path(path).read_bytes().count(b"\n") >= 4
        indicators = Indicators.load(path)
        assert indicators.report.feeds[0].format == "stix"
        assert (indicators.report.names, indicators.report.skipped) == (499, {"revoked": 1})
        assert matches(indicators, "x.n0.example", "n498.example", "n499.example") == ["x.n0.example", "n498.example"]

        assert last.startswith("2026-02-02")
        fetch(collection, path, after="2026-01-31T00:00:00.000000Z", Authorization=AUTHORIZATION)
        again = Indicators.load(path)
        assert again.report.names == 499

        with pytest.raises(urllib.error.HTTPError):
            fetch(collection, path, Authorization="Basic eDp5")
        assert Indicators.load(path).version == again.version


class Pages(BaseHTTPRequestHandler):
    """A server of two pages, which notes what it was asked."""

    asked: list[tuple[str, str | None]]
    fails = False
    has_next = True

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        is_second = "next=two" in self.path or (not self.has_next and "added_after" in self.path)
        if is_second and self.fails:
            self.send_error(503)
            return
        value, _ = indicator(2 if is_second else 1, "2026-01-01T00:00:00Z")
        page = {"objects": [value]} if is_second else {"objects": [value], "more": True}
        if self.has_next and not is_second:
            page["next"] = "two"
        data = json.dumps(page).encode("utf-8")
        self.send_response(200)
        self.send_header("X-TAXII-Date-Added-Last", "2026-01-02T00:00:00Z" if is_second else "2026-01-01T00:00:00Z")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[tuple[str, type[Pages]]]:
    handler = type("Handler", (Pages,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/c/", handler
        server.shutdown()
        thread.join()


def test_taxii_pages_become_one_feed(tmp_path: Path, fetch: Any, pages: tuple[str, type[Pages]]) -> None:
    url, handler = pages
    path = str(tmp_path / "feed.json")
    last = fetch(url, path, Authorization="Bearer x")
    assert last == "2026-01-02T00:00:00Z"
    assert matches(Indicators.load(path), "n1.example", "n2.example") == ["n1.example", "n2.example"]
    fetch(url, path, after=last)
    assert [authorization for _, authorization in handler.asked] == ["Bearer x", "Bearer x", None, None]
    assert ["added_after" in asked for asked, _ in handler.asked] == [False, False, True, True]
    report = Indicators.load(path).report
    assert (report.names, report.skipped) == (2, {"version.old": 2})


def test_server_without_next_is_asked_by_time(tmp_path: Path, fetch: Any, pages: tuple[str, type[Pages]]) -> None:
    """TAXII 2.1 leaves `next` out if the server goes by the time at which objects were added."""
    url, handler = pages
    handler.has_next = False
    path = str(tmp_path / "feed.json")
    assert fetch(url, path) == "2026-01-02T00:00:00Z"
    assert matches(Indicators.load(path), "n1.example", "n2.example") == ["n1.example", "n2.example"]
    assert "added_after=2026-01-01T00" in handler.asked[1][0]


def test_failed_fetch_keeps_the_file(tmp_path: Path, fetch: Any, pages: tuple[str, type[Pages]]) -> None:
    url, handler = pages
    handler.fails = True
    path = tmp_path / "feed.json"
    path.write_text('{"objects": []}')
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(url, str(path))
    caught.value.close()
    assert path.read_text() == '{"objects": []}'
