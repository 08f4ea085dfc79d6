"""The dashboard, the alerts and the table of metrics name only what a running receiver exposes."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.logpush_sender import KEY_HEADER, Job, compress, destination_conf, records, render
from support.promql import Expression, base_name
from support.receivers import KEY, Receiver, samples_of, wait_for

pytest.importorskip("tornado", reason="the extra receiver")
yaml = pytest.importorskip("yaml", reason="to read the alerts")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "receiver"
OPERATIONS = ROOT / "docs" / "operations.md"
PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="no documentation around the tests")

#: Labels that Prometheus adds, and the variables of the dashboard with an ordinary value.
ADDED = {"job", "instance"}
VARIABLES = {"$__rate_interval": "5m", "$job": ".*", "$instance": ".*", "$sink": ".*"}


# What is checked


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    return loaded


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, Expression, list[str]]]:
    """Yield the title of each panel, its expressions, and the labels that the legend uses."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], Expression(target["expr"]), re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> Iterator[tuple[str, Expression, list[str]]]:
    """Yield everything that is checked: its title, the expression, and the labels that texts use."""
    yield from queries()
    for rule in rules():
        texts = " ".join(rule["annotations"].values())
        yield rule["alert"], Expression(rule["expr"]), re.findall(r"\$labels\.(\w+)", texts)
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert found is not None
            yield variable["name"], Expression(found[1]), [found[2]]


# A receiver in which every metric has a sample


def plain_of(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


@contextmanager
def moody_target() -> Iterator[str]:
    """Serve an HTTP target that is down at first, and always refuses one event; yield its URL."""
    failures = [503]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = failures.pop() if failures else 400 if b"n13.example" in plain_of(body) else 200
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/events?send=ecs"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return /metrics of a receiver that detects, and has met rejects, problems, duplicates, faults and a wrong key."""
    options = ("--detect", "sliver", "--annotate")
    with moody_target() as url, Receiver(tmp_path_factory.mktemp("r") / "r", [f"moody={url}"], options) as receiver:
        plain = render(records(40)) + b"oops\n" + b'{"QueryName":"a.example.","SourceIP":"999","Timestamp":1}\n'
        body = compress(plain)
        with Job(destination_conf(receiver.url, {KEY_HEADER: KEY})) as job:
            job.validate()
            assert job.push(0, body, 42) and job.push(1, body, 42)
        with Job(destination_conf(receiver.url, {KEY_HEADER: "wrong"}), give_up_s=0) as job:
            assert not job.push(0, body, 42)
        wait_for(
            lambda: (
                receiver.value("cfdns_sink_events_total", sink="files") == 41
                and receiver.value("cfdns_sink_events_total", sink="moody") == 40
            ),
            "the events of both sinks",
        )
        text = receiver.get("/metrics").decode()
    return text


@pytest.fixture(scope="module")
def labels(exposed: str) -> dict[str, dict[str, set[str]]]:
    """Return the labels of every sample name, each with its values."""
    found: dict[str, dict[str, set[str]]] = {}
    for name, labels, _ in samples_of(exposed):
        mine = found.setdefault(name, {})
        for label, value in labels.items():
            mine.setdefault(label, set()).add(value)
    return found


@pytest.mark.slow
def test_every_metric_has_a_sample(exposed: str, labels: dict[str, Any]) -> None:
    families = re.findall(r"^# TYPE (cfdns_\w+) ", exposed, re.MULTILINE)
    assert len(families) > 20
    without = [name for name in families if name not in {base_name(sample) for sample in labels} | set(labels)]
    assert without == [], "the checks below would not see its labels"


@pytest.mark.slow
def test_queries_use_exposed_metrics_and_labels(labels: dict[str, dict[str, set[str]]]) -> None:
    for title, expression, shown in expressions():
        assert expression.metrics, title
        known = set(ADDED)
        for name, matchers in expression.metrics.items():
            if name == "up":
                assert {label for label, _, _ in matchers} <= ADDED
                continue
            assert name in labels, f"{title}: {name} is not exposed"
            known |= set(labels[name])
            for label, operator, value in matchers:
                assert label in ADDED | set(labels[name]), f"{title}: {name} has no label {label}"
                if operator == "=" and label not in ADDED:
                    assert value in labels[name][label], f"{title}: {name} has no {label} {value}"
        assert expression.grouping <= known, f"{title}: grouped by {expression.grouping - known}"
        kept = expression.grouping if expression.is_aggregated else known
        assert set(shown) <= kept, f"{title}: its text uses {set(shown) - kept}"


@pytest.mark.slow
def test_dashboard_shows_every_metric(labels: dict[str, Any]) -> None:
    shown = {base_name(name) for _, expression, _ in queries() for name in expression.metrics}
    exposed = {base_name(name) for name in labels if name.startswith("cfdns_")}
    assert exposed - shown == set()


def test_panels_do_not_overlap() -> None:
    places = [
        (place["x"] + x, place["y"] + y)
        for place in (panel["gridPos"] for panel in dashboard()["panels"])
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(places) == len(set(places))
    assert all(x < 24 for x, _ in places)
    numbers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(numbers) == len(set(numbers))


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_accepts_alerts_and_queries(tmp_path: Path) -> None:
    recorded = []
    for number, (_, expression, _) in enumerate(queries()):
        text = expression.text
        for variable, value in VARIABLES.items():
            text = text.replace(variable, value)
        recorded.append({"record": f"panel:{number}", "expr": text})
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}), encoding="utf-8")
    assert PROMTOOL is not None
    command = [PROMTOOL, "check", "rules", str(path), str(FOLDER / "alerts.yml")]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_is_explained() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    named = set(re.findall(r"`(Cfdns\w+)`", text))
    assert named == {rule["alert"] for rule in rules()}


# The table of metrics in docs/operations.md


def documented() -> dict[str, set[str]]:
    """Return the metrics of the table, each with its labels."""
    rows = re.findall(r"^\| `(cfdns_\w+)` \|([^|]*)\|", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", cell)) for name, cell in rows}


@pytest.mark.slow
def test_metrics_table_is_what_is_exposed(exposed: str, labels: dict[str, dict[str, set[str]]]) -> None:
    kinds = dict(re.findall(r"^# TYPE (cfdns_\w+) (\w+)$", exposed, re.MULTILINE))
    found = {}
    for name, kind in kinds.items():
        samples = {"histogram": f"{name}_bucket", "summary": f"{name}_count"}
        found[name] = set(labels[samples.get(kind, name)]) - {"le"}
    assert documented() == found


# Tests of the checks


@pytest.mark.parametrize(
    ("text", "names", "grouping"),
    [
        ("a", {"a"}, set()),
        ('sum by (x, y) (rate(a{b="1", c=~"}"}[5m])) / on (x) b_total', {"a", "b_total"}, {"x", "y"}),
        ("histogram_quantile(0.99, sum by (le) (rate(a_bucket[$__rate_interval])))", {"a_bucket"}, {"le"}),
        ("a > 0 and predict_linear(b[30m], 4 * 3600) < 1e3 unless c", {"a", "b", "c"}, set()),
    ],
)
def test_names_of_an_expression_are_found(text: str, names: set[str], grouping: set[str]) -> None:
    expression = Expression(text)
    assert (set(expression.metrics), expression.grouping) == (names, grouping)


def test_matchers_of_an_expression_are_found() -> None:
    assert Expression('a{b="1", c=~"}"}').metrics == {"a": [("b", "=", "1"), ("c", "=~", "}")]}
