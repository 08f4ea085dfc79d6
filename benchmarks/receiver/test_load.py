"""Tests of the load run: the sender sends what it says, the check finds every fault, and runs are judged."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from . import pool, table, targets
from .checking import Checker, WrongEvents, difference
from .scenarios import scenarios
from .sender import Load, Sender, percentiles

CUT = 0
OUTPUTS = [b'{"a":%d}\n' % number * 3 for number in range(3)]


@contextmanager
def server(*statuses: int) -> Iterator[tuple[int, list[bytes]]]:
    """Serve these statuses one after another and then 200; yield the port and the bodies that were answered by 200."""
    taken: list[bytes] = []
    waiting = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = waiting.pop(0) if waiting else 200
            if status == CUT:
                self.close_connection = True
                return
            if status == 200:
                taken.append(body)
            text = json.dumps({"accepted": 1, "batch": f"{len(taken):012d}"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.request_queue_size = 64
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made.server_port, taken
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def send(folder: Path, port: int, **changes: Any) -> dict[str, Any]:
    """Run a load of two bodies."""
    for number in range(2):
        (folder / f"{number:03d}.gz").write_bytes(gzip.compress(b"%d" % number * 200_000, mtime=0))
    settings = {"seconds": 0.3, "batches_per_s": 100.0, "connections": 3, **changes}
    sender = Sender(Load("127.0.0.1", port, "/p", "X-Key", "k", str(folder), **settings))
    try:
        return sender.run()
    finally:
        for key in list(sender.selector.get_map().values()):
            key.data.socket.close()
        sender.selector.close()


@pytest.mark.parametrize("rate", [100.0, None])
def test_sender_counts_what_was_taken(tmp_path: Path, rate: float | None) -> None:
    with server() as (port, taken):
        result = send(tmp_path, port, batches_per_s=rate)
    assert result["batches"] == len(taken) == result["last_batch"] == result["statuses"]["200"] > 2
    assert result["unanswered"] == 0
    assert rate is None or result["batches"] <= 31
    kinds = Counter(gzip.decompress(body)[:1] for body in taken)
    assert result["acknowledged"] == [kinds[b"0"], kinds[b"1"]]
    assert len(set(taken)) == len(taken), "each request has other bytes"


def test_sender_repeats_what_failed(tmp_path: Path) -> None:
    with server(503, CUT, 200, 429) as (port, taken):
        result = send(tmp_path, port)
    assert result["statuses"]["503"] == result["statuses"]["429"] == 1
    assert result["statuses"]["ConnectionResetError"] == 1
    assert result["batches"] == len(set(taken)) == len(taken)
    numbers = sorted(int.from_bytes(body[4:8], "little") for body in taken)
    assert numbers == list(range(1, len(taken) + 1))


def test_waits_count_from_the_time_that_was_due(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # One connection that is answered late delays all batches that are due meanwhile.
        def answer() -> None:
            connection, _ = silent.accept()
            with connection:
                time.sleep(0.3)
                while connection.recv(65536):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=answer)
        thread.start()
        result = send(tmp_path, silent.getsockname()[1], connections=1, batches_per_s=20.0)
        thread.join()
    assert result["batches"] == result["max_waiting"] + 1 == 6
    assert result["wait_ms"]["max"] >= result["service_ms"]["max"] >= 200
    assert result["wait_ms"]["p50"] > result["service_ms"]["p50"]


def test_percentiles_are_of_the_sorted_values() -> None:
    values = [number / 1000 for number in range(1000, -1, -1)]
    assert percentiles(values) == {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999, "max": 1000}
    assert percentiles([]) == {}


def written(path: Path, *members: bytes) -> Path:
    path.write_bytes(b"".join(map(gzip.compress, members)))
    return path


def test_blocks_of_files_are_counted(tmp_path: Path) -> None:
    one = written(tmp_path / "1.gz", OUTPUTS[2], OUTPUTS[0] + OUTPUTS[2])
    two = written(tmp_path / "2.gz", OUTPUTS[1][:5], OUTPUTS[1][5:])
    checker = Checker(OUTPUTS)
    assert checker.check([one, two]) == {0: 1, 1: 1, 2: 2}
    checker.check([one], delete=True)
    assert not one.exists()


@pytest.mark.parametrize(
    "content",
    [
        OUTPUTS[0][:-1],
        OUTPUTS[0] + OUTPUTS[1][:9],
        OUTPUTS[0][:9] * 2 + OUTPUTS[1][:9],
        b'{"a":9}\n' * 3,
        b"\n" + OUTPUTS[0],
    ],
    ids=["cut", "half", "mixed", "other", "blank line"],
)
def test_wrong_file_is_found(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(WrongEvents, match=r"1\.gz"):
        Checker(OUTPUTS).check([written(tmp_path / "1.gz", content)])


def test_lost_and_repeated_blocks_are_counted() -> None:
    assert difference(Counter({0: 2, 1: 1}), Counter({0: 1, 1: 3})) == {"missing_blocks": 2, "additional_blocks": 1}


@pytest.mark.slow
def test_bodies_are_made_of_blocks(tmp_path: Path) -> None:
    blocks = pool.plain_blocks()
    assert len(set(blocks)) == pool.BLOCKS
    made = pool.make(blocks, 100, tmp_path / "large")
    bodies = [gzip.decompress(path.read_bytes()) for path in sorted(made.folder.iterdir())]
    assert len(set(bodies)) == len(bodies) == len(made.blocks)
    assert bodies[1] == b"".join(blocks[block] for block in made.blocks[1])
    assert made.records == 100_000 == bodies[1].count(b"\n")
    assert made.delivered([1, 0, 0, 0, 0, 1]) == Counter({block: 2 for block in range(pool.BLOCKS)})
    outputs = list(pool.converted(blocks))
    assert Checker(outputs).check([written(tmp_path / "1.gz", *outputs)]).total() == pool.BLOCKS


def result_of(name: str, **changes: Any) -> dict[str, Any]:
    (scenario,) = (vars(each) for each in scenarios(1000) if each.name == name)
    waits = {"p50": 1, "p90": 2, "p99": 3, "max": 4}
    good = {
        "scenario": scenario,
        "seconds": 10.0,
        "events_per_s": 1000,
        "sender": {"wait_ms": waits, "unanswered": 0},
        "cores": 1.0,
        "receiver_peak_mb": 50,
        "sink_peak_mb": 60,
        "drain_s": 1.5,
        "wrong": None,
        "missing_blocks": 0,
        "additional_blocks": 0,
    }
    return {**good, **changes}


def outcome_of(name: str, *results: dict[str, Any]) -> Any:
    run = {"results": results, "conversion_events_per_s": 2000}
    return next(outcome["pass"] for outcome in targets.judge(run) if outcome["name"] == name)


@pytest.mark.parametrize(
    ("target", "scenario", "changes"),
    [
        ("sustained", "rate_1000", {"events_per_s": 900}),
        ("p99", "rate_1000", {"sender": {"wait_ms": {"p99": 251}, "unanswered": 0}}),
        ("cores", "rate_1000", {"cores": 1.5}),
        ("receiver_memory", "rate_1000", {"receiver_peak_mb": 81}),
        ("sink_memory", "rate_1000", {"sink_peak_mb": 101}),
        ("drain", "rate_1000", {"drain_s": 6}),
        ("drain", "rate_1000", {"drain_s": None}),
        ("of_conversion", "peak_1000", {"events_per_s": 600}),
        ("beside_hostile_clients", "neighbours", {"sender": {"wait_ms": {"p99": 51}, "unanswered": 0}}),
        ("exact_rate_1000", "rate_1000", {"missing_blocks": 1}),
        ("exact_rate_1000", "rate_1000", {"additional_blocks": 1}),
        ("exact_rate_1000", "rate_1000", {"wrong": "1.gz"}),
        ("exact_rate_1000", "rate_1000", {"sender": {"wait_ms": {"p99": 1}, "unanswered": 1}}),
    ],
)
def test_missed_target_fails(target: str, scenario: str, changes: dict[str, Any]) -> None:
    assert outcome_of(target, result_of(scenario)) is True
    assert outcome_of(target, result_of(scenario, **changes)) is False
    assert target.startswith("exact") or outcome_of(target) is None


def test_table_has_every_scenario_and_target() -> None:
    results = [result_of(each.name) for each in scenarios(1000)]
    run = {"results": results, "conversion_events_per_s": 2000}
    facts = dict.fromkeys(("cpu", "cpus", "system", "python", "date", "commit", "load_before"), "x")
    text = table.render({"machine": facts, "receiver": run, "targets": targets.judge(run)})
    assert all(each.text in text for each in scenarios(1000))
    assert all(target.name in text for target in targets.targets())
    assert "no" not in text.partition("| target")[0].replace("not", "")
