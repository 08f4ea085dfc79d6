"""The HTTP sink against local servers that misbehave: every event arrives or becomes a dead letter."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the receiver and its sinks need POSIX", allow_module_level=True)
pytest.importorskip("urllib3", reason="requests are sent by urllib3")

from support.http_targets import Answer, HttpTarget, Request
from support.sinks import Record, batch_id, lines_of, ndjson_batch

from cfdns_fast.sinks import Piece, Sink, SinkSettingError, check_sink, headers, open_sink, window
from cfdns_fast.sinks.raw import RawDivider

KEY = "a-key-0123456789"


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    made = HttpTarget()
    yield made
    made.close()


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    monkeypatch.setattr(window, "MIN_DELAY_S", 0.002)
    monkeypatch.setattr(window, "MAX_DELAY_S", 0.01)
    return Record(tmp_path)


def raw_batch(seq: int, events: int) -> Piece:
    body = gzip.compress(lines_of(seq, range(events)), mtime=0)
    return Piece(seq, batch_id(seq), 0, 0, events, body, True)


def expected(batches: int, events: int) -> Counter[bytes]:
    return Counter(line for seq in range(1, batches + 1) for line in lines_of(seq, range(events)).splitlines())


def deliver(sink: Sink, batches: int, events: int) -> int:
    for seq in range(1, batches + 1):
        pieces = [raw_batch(seq, events)] if sink.wants == "raw" else ndjson_batch(seq, events, 20)
        for piece in pieces:
            sink.write(piece)
    return sink.commit(lambda _: None, final=True)


@pytest.mark.parametrize("send", ["raw", "ecs"])
def test_http_delivers_every_event(target: HttpTarget, record: Record, send: str) -> None:
    sink = open_sink(target.url(f"send={send}"), record.context)
    assert sink.wants == ("raw" if send == "raw" else "ndjson")
    assert deliver(sink, 10, 50) == 10
    sink.close()
    assert target.events() == expected(10, 50)
    assert record.counts()["events"] == 500
    assert record.counts()["bytes"] == sum(len(request.body) for request in target.taken())
    request = target.taken()[0]
    assert request.path == "/in"
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.headers["Content-Type"] == "application/x-ndjson"
    assert request.headers["User-Agent"].startswith("cfdns-fast")
    names = Counter(request.headers["X-Cfdns-Batch"] for request in target.taken())
    parts = 1 if send == "raw" else 3
    assert names == Counter(f"{batch_id(seq).hex()}-{part}" for seq in range(1, 11) for part in range(parts))


def test_raw_bodies_are_passed_on_unchanged(target: HttpTarget, record: Record) -> None:
    sink = open_sink(target.url(), record.context)
    assert deliver(sink, 3, 5) == 3
    sink.close()
    assert sorted(request.body for request in target.taken()) == sorted(raw_batch(seq, 5).data for seq in (1, 2, 3))


def test_http_repeats_after_every_fault(target: HttpTarget, record: Record) -> None:
    in_a_moment = formatdate(0, usegmt=True)
    target.answers = [
        Answer(503, {"Retry-After": "0"}),
        Answer(429, {"Retry-After": in_a_moment}),
        Answer(0),
        Answer(-1),
        Answer(500),
        Answer(408),
        Answer(302, {"Location": "/elsewhere"}),
        Answer(404),
        Answer(415),
        Answer(502),
    ]
    sink = open_sink(target.url("concurrency=3"), record.context)
    assert deliver(sink, 6, 10) == 6
    sink.close()
    assert target.events() == expected(6, 10)
    assert record.counts()["retries"] == {
        **{str(code): 1 for code in (302, 404, 408, 415, 429, 500, 502, 503)},
        "connect": 2,
    }
    assert record.letters == []
    assert {request.path for _, request in target.seen} == {"/in"}


def test_answer_without_an_end_holds_no_thread(target: HttpTarget, record: Record) -> None:
    """Each byte comes in time, so that no timeout of the connection ends the answer."""
    target.answers = [Answer(-2)]
    sink = open_sink(target.url("timeout=100ms&concurrency=1"), record.context)
    # Longer than the timeout, and shorter than 60,000 bytes take.
    late = threading.Timer(20, record.context.stop.set)
    late.start()
    assert deliver(sink, 2, 3) == 2
    late.cancel()
    sink.close()
    assert [status for status, _ in target.seen] == [-2, 200]


def test_http_waits_for_a_slow_target(target: HttpTarget, record: Record) -> None:
    calls: list[int] = []
    gate = threading.Event()

    def slow(request: Request) -> Answer:
        calls.append(1)
        if len(calls) == 1:
            gate.wait(0.3)
        return Answer(200)

    target.rule = slow
    sink = open_sink(target.url("timeout=100ms"), record.context)
    assert deliver(sink, 1, 3) == 1
    gate.set()
    sink.close()
    assert set(record.counts()["retries"]) == {"timeout"}
    assert set(target.events()) == set(expected(1, 3))


def test_http_delivers_after_the_key_is_corrected(target: HttpTarget, record: Record, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("wrong\n")
    refused: list[str] = []

    def check(request: Request) -> Answer:
        if request.headers["X-SEKOIAIO-INTAKE-KEY"] == KEY:
            return Answer(200)
        refused.append(request.headers["X-SEKOIAIO-INTAKE-KEY"])
        if len(refused) == 3:
            key_file.write_text(f"{KEY}\n")
        return Answer(401)

    target.rule = check
    url = f"http://127.0.0.1:{target.port}/?proxy=off&kind=sekoia&concurrency=1&key_file={key_file}"
    sink = open_sink(url, record.context)
    assert deliver(sink, 4, 5) == 4
    sink.close()
    assert refused == ["wrong"] * 3
    assert target.events() == expected(4, 5)
    assert {request.path for request in target.taken()} == {"/plain/batch"}
    assert (
        record.messages[0] == f"delivery waits: http://127.0.0.1:{target.port}/plain/batch answered 401: check the key"
    )
    assert not any("wrong" in message or KEY in message for message in record.messages)


@pytest.mark.parametrize("send", ["raw", "ecs"])
@pytest.mark.parametrize("status", [400, 422])
def test_refused_events_become_dead_letters(target: HttpTarget, record: Record, send: str, status: int) -> None:
    bad = {lines_of(2, [at]).strip() for at in (0, 31, 32, 59)}
    target.rule = lambda request: Answer(status if bad & set(gzip.decompress(request.body).splitlines()) else 200)
    sink = open_sink(target.url(f"send={send}"), record.context)
    assert deliver(sink, 3, 60) == 3
    sink.close()
    assert sorted(record.letters) == [(2, at, lines_of(2, [at]).strip(), str(status)) for at in (0, 31, 32, 59)]
    assert target.events() == expected(3, 60) - Counter(bad)
    assert record.counts()["events"] == 176


@pytest.mark.parametrize("limit", ["target", "option"])
def test_large_bodies_are_divided(target: HttpTarget, record: Record, limit: str) -> None:
    lines = [json.dumps({"event": at, "text": f"{at * 7919**9:x}" * 3}).encode() for at in range(400)]
    body = gzip.compress(b"\n".join(lines) + b"\n")
    assert len(body) > 4096
    if limit == "target":
        target.rule = lambda request: Answer(413 if len(request.body) > 2048 else 200)
    sink = open_sink(target.url("max_body=2KiB" if limit == "option" else ""), record.context)
    sink.write(Piece(1, batch_id(1), 0, 0, 400, body, True))
    assert sink.commit(lambda _: None, final=True) == 1
    sink.close()
    assert target.events() == Counter(lines)
    assert all(len(request.body) <= 2048 for request in target.taken())
    names = [request.headers["X-Cfdns-Batch"] for request in target.taken()]
    assert len(names) == len(set(names)) > 2
    assert record.letters == []


def test_dead_target_is_reported_and_ends_with_stop(record: Record) -> None:
    closed = HttpTarget()
    closed.close()
    sink = open_sink(closed.url(), record.context)
    sink.write(raw_batch(1, 3))
    window_is_down = threading.Event()
    for _ in range(500):
        if record.counts()["up"] == 0:
            break
        window_is_down.wait(0.01)
    assert record.counts()["up"] == 0
    assert sink.commit(lambda _: None) == 0
    record.context.stop.set()
    assert sink.commit(lambda _: None, final=True) == 0
    sink.close()
    assert record.messages == [f"delivery waits: http://127.0.0.1:{closed.port}/in: no connection can be made"]


def test_headers_file_adds_headers(target: HttpTarget, record: Record, tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("# for the proxy\nAuthorization: Bearer x y\n\nX-Two:2\n")
    sink = open_sink(target.url(f"headers_file={tmp_path}/headers"), record.context)
    assert deliver(sink, 1, 1) == 1
    sink.close()
    (request,) = target.taken()
    assert (request.headers["Authorization"], request.headers["X-Two"]) == ("Bearer x y", "2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("secret-thing", "option headers: line 1 is not 'Name: value'"),
        ("A: b\nContent-Length: 5", "option headers: line 2 sets Content-Length, which the sink sets itself"),
        ("A: b\x07secret-thing", "option headers: line 1 is not 'Name: value'"),
    ],
)
def test_headers_file_is_checked(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "headers").write_text(text)
    with pytest.raises(SinkSettingError) as caught:
        check_sink(f"https://host/in?headers_file={tmp_path}/headers")
    assert str(caught.value) == f"sink https://host/in: {message}"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://host/plain/batch?kind=sekoia", "kind=sekoia needs the intake key: key_file=PATH, key=env:NAME or "),
        ("https://host/array?kind=sekoia&key=env:K", "kind=sekoia posts to a path that ends with /plain/batch"),
        ("https://host/in?key=env:K", "option key is for kind=sekoia; use headers_file=PATH for other keys"),
        ("https:///in", "the URL has no host"),
        ("https://host/in?ca_file=/no/such", "option ca_file: cannot read /no/such: No such file or directory"),
        ("https://host/in?content_type=%0a", "option content_type: use printable ASCII characters"),
        ("https://host/plain/batch?kind=sekoia&key=env:BAD", "option key: the key has spaces or characters that are"),
    ],
)
def test_http_options_are_checked(url: str, message: str) -> None:
    with pytest.raises(SinkSettingError) as caught:
        check_sink(url, environment={"K": KEY, "BAD": "a b"})
    assert str(caught.value).startswith(f"sink {url.partition('?')[0]}: {message}")


def test_proxy_of_the_environment_is_used(target: HttpTarget, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://user:pa%20ss@127.0.0.1:{target.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    sink = open_sink("http://target.invalid/in", record.context)
    assert deliver(sink, 1, 2) == 1
    sink.close()
    (request,) = target.taken()
    assert request.path == "http://target.invalid/in"
    assert request.headers["Host"] == "target.invalid"
    assert request.headers["proxy-authorization"] == "Basic dXNlcjpwYSBzcw=="


def test_proxy_of_another_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://user:hunter2@host:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(SinkSettingError) as caught:
        check_sink("https://host/in")
    assert str(caught.value) == "sink https://host/in: the proxy of the environment is not of HTTP; use proxy=off"
    assert check_sink("https://host/in?proxy=off").kind == "http"


@pytest.mark.parametrize(("host", "is_named"), [("collector.invalid", True), ("localhost", False)])
def test_key_without_tls_is_named(record: Record, host: str, is_named: bool) -> None:
    url = f"http://{host}/plain/batch?kind=sekoia&key=env:K"
    open_sink(url, record.context, environment={"K": KEY}).close()
    warning = f"http://{host}/plain/batch: the key is sent without TLS"
    assert record.messages == [warning] * is_named


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("120", 120),
        (" 0 ", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 7),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
        ("-5", None),
        ("1e3", None),
        ("soon", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(
    monkeypatch: pytest.MonkeyPatch, value: str | None, expected: float | None
) -> None:
    monkeypatch.setattr(headers.time, "time", lambda: 784_111_770.0)
    assert headers.retry_after_s(value) == expected


def test_raw_bodies_are_divided_at_records() -> None:
    data = b"\n  \n" + lines_of(1, range(3)) + b"\r\n" + lines_of(1, range(3, 5)).strip()
    body = gzip.compress(data[:20]) + gzip.compress(data[20:])
    left, right = RawDivider().halves(Piece(1, batch_id(1), 0, 0, 5, body, True))
    assert (left.first_event, left.events, right.first_event, right.events) == (0, 2, 2, 3)
    assert gzip.decompress(left.data) + gzip.decompress(right.data) == data
    assert gzip.decompress(left.data).split() == lines_of(1, range(2)).split()


@pytest.mark.parametrize("end", [b"", b"\xff" * 9])
def test_raw_body_that_is_damaged_is_kept_whole(end: bytes) -> None:
    body = gzip.compress(lines_of(1, range(100)))[:-9] + end
    piece = Piece(1, batch_id(1), 0, 0, 100, body, True)
    assert RawDivider().halves(piece) == []
    assert list(RawDivider().letters(piece)) == [(0, body)]


def test_dead_letter_of_a_raw_sink_is_sent_as_gzip(target: HttpTarget, record: Record) -> None:
    sink = open_sink(target.url(), record.context)
    sink.write(Piece(1, batch_id(1), 0, 7, 1, b'{"a":1}\n', True, False))
    assert sink.commit(lambda _: None, final=True) == 1
    sink.close()
    assert target.events() == Counter([b'{"a":1}'])
    assert target.taken()[0].headers["X-Cfdns-Batch"].endswith("-0-7+1")
