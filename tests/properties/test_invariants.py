"""Invariants on the golden inputs."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from golden import ALL_GOLDEN, INPUTS, INTAKE_SAMPLES
from support.processes import run_python
from support.records import MIXED
from support.writers import consume

from cfdns_fast import Normalizer, Result


def _records(result: Result[Any]) -> int:
    return result.events + len(result.rejects)


@pytest.mark.parametrize("keep_message", [True, False])
def test_writers_agree_on_every_input(keep_message: bool) -> None:
    normalizer = Normalizer(keep_message=keep_message)
    for data in (*INPUTS, ALL_GOLDEN, MIXED):
        written, built = normalizer.to_ndjson(data), normalizer.to_dicts(data)
        lines = (json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for event in built.output)
        assert written.output == "".join(lines).encode()
        assert dataclasses.replace(written, output=None) == dataclasses.replace(built, output=None)
        assert consume(normalizer.iter_dicts(data)) == built
        assert len(built.output) == built.events


def test_orjson_reads_each_line_as_the_event() -> None:
    orjson = pytest.importorskip("orjson")
    normalizer = Normalizer()
    lines = normalizer.to_ndjson(ALL_GOLDEN).output.split(b"\n")
    assert lines.pop() == b""
    assert [orjson.loads(line) for line in lines] == normalizer.to_dicts(ALL_GOLDEN).output


def test_counts_of_golden_inputs_add_up(implementation: Any) -> None:
    for data in INPUTS:
        result = implementation.to_dicts(data)
        lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
        assert lines - result.blank <= _records(result)
        assert result.events == len(result.output)


def test_order_of_records_is_kept() -> None:
    data = b"".join(b'{"EDNSSubnetLength":%d}%s' % (n, b"\n" if n % 3 else b"") for n in range(2000))
    assert [event["cloudflare"]["EDNSSubnetLength"] for event in Normalizer().to_dicts(data).output] == list(
        range(2000)
    )
    rejects = Normalizer().to_ndjson(b"".join(b"[%d]\n" % n for n in range(2000))).rejects
    assert [reject.raw for reject in rejects] == [b"[%d]" % n for n in range(2000)]
    assert [reject.line for reject in rejects] == list(range(1, 2001))


def test_cut_at_a_newline_changes_only_positions() -> None:
    normalizer = Normalizer()
    data = b"\n".join(data for data in INPUTS if len(data) < 2000)
    whole = normalizer.to_ndjson(data)
    newlines = [at for at, byte in enumerate(data) if byte == 0x0A]
    for at in newlines[:: len(newlines) // 60 + 1]:
        head, tail = normalizer.to_ndjson(data[: at + 1]), normalizer.to_ndjson(data[at + 1 :])
        line = data.count(b"\n", 0, at + 1)
        moved = tuple(r._replace(line=r.line + line, byte_offset=r.byte_offset + at + 1) for r in tail.rejects)
        assert head.output + tail.output == whole.output
        assert head.rejects + moved == whole.rejects
        assert head.blank + tail.blank == whole.blank
        assert {key: head.problems.get(key, 0) + tail.problems.get(key, 0) for key in whole.problems} == whole.problems


def test_line_is_independent_of_its_neighbours() -> None:
    normalizer = Normalizer()
    for sample in INTAKE_SAMPLES:
        line = sample["message"].encode()
        alone = normalizer.to_ndjson(line).output
        for neighbour in (b"{\n", b'"\n', b"\xff\n", b"\\\n", b"[" * 300 + b"\n", b'{"a":"\\', b"\x00"):
            data = neighbour.rstrip(b"\n") + b"\n" + line + neighbour
            assert normalizer.to_ndjson(data).output == alone


def test_memory_stays_flat_over_many_batches() -> None:
    code = """
import resource
from golden import INPUTS
from cfdns_fast import Normalizer, RecordError, parse
data = b"\\n".join(data for data in INPUTS if len(data) < 2000)
normalizer, strict = Normalizer(), Normalizer(on_reject="raise")
def work():
    normalizer.to_ndjson(data)
    normalizer.to_dicts(data)
    for _ in normalizer.iter_dicts(data): pass
    next(normalizer.iter_dicts(data))
    for call in (strict.to_ndjson, strict.to_dicts, lambda data: list(strict.iter_dicts(data)), parse):
        try: call(data)
        except RecordError: pass
for _ in range(10): work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(60): work()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    pytest.importorskip("resource")
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 8, "MiB of growth"
