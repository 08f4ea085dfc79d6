"""The command with records, lines and values that are too long for memory."""

from __future__ import annotations

import base64
import errno
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from support.command import RECORD, Cli
from support.processes import SANITIZED

from cfdns_fast import Normalizer
from cfdns_fast.io.outputs import Output
from cfdns_fast.io.spill_file import SpillFile
from cfdns_fast.io.temporaries import Temporary

HEADER = b"QueryName,Timestamp\na.com,1767225600\n"

INPUTS = {
    "record": RECORD + b'{"a":"' + b"\xc3\xa9" * 900_000 + b'"}' + RECORD,
    "line": RECORD + b'{"a":"' + b"\xff" * 1_500_000 + b"\r\n" + RECORD,
    "two lines": RECORD + b"\x01" * 1_100_001 + b"\n" + b"\xe2\x82\xac" * 500_000 + b"\n" + RECORD,
    "element": b"[" + RECORD + b',{"a":"' + b"x" * 1_500_000 + b'"},' + RECORD + b"]",
    "rest": b"[" + RECORD + b',{"a":"' + b"x" * 1_500_000 + b"\n" + RECORD * 3000,
    "member": b'{"events":[' + RECORD + b'],"a":"' + b"x" * 1_500_000 + b'","b":[{}' + b"x" * 200_000,
    "rows": HEADER + b"x" * 1_200_000 + b"\n" + b"y" * 1_100_000 + b"\r\n" + b"b.com,1767225600\n",
}


def rejects_of(path: Path) -> list[tuple[int, int, int, str, bytes]]:
    """Return the rejects in a file that the command wrote."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [
        (
            line["line"],
            line["byte_offset"],
            line["byte_length"],
            line["code"],
            line["raw"].encode() if "raw" in line else base64.b64decode(line["raw_base64"]),
        )
        for line in lines
    ]


@pytest.mark.parametrize("name", INPUTS)
def test_convert_keeps_every_byte_of_a_reject(name: str, tmp_path: Path) -> None:
    data = INPUTS[name]
    cli = Cli(tmp_path)
    cli.write("in", data)
    done = cli("convert", "in", "-o", "out", "--rejects", "rejects")
    assert done.code == 0
    whole = Normalizer(input_format="auto").to_ndjson(data)
    assert (tmp_path / "out").read_bytes() == whole.output
    assert rejects_of(tmp_path / "rejects") == [
        (r.line, r.byte_offset, r.byte_length, r.code, data[r.byte_offset : r.byte_offset + r.byte_length])
        for r in whole.rejects
    ]
    assert any(r.byte_length > 100_000 for r in whole.rejects)
    assert cli.names() == ["in", "out", "rejects"]


ENDLESS = {
    "spaces": (b"", b" ", "ndjson"),
    "text": (b"", b"x", "ndjson"),
    "objects": (b"", b'{"a":', "ndjson"),
    "string": (b'{"a":"', b"x", "ndjson"),
    "number": (b'{"a":', b"1", "ndjson"),
    "members": (b"{", b'"a":1,', "ndjson"),
    "element": (b'[{},\n"', b"x", "json"),
    "member": (b'{"events":[{}],"a":[1', b',\n"x"', "json"),
    "key": (b'{"events":[{}],"', b"x", "json"),
    "space in a member": (b'{"events":[{}],"a":[', b" ", "json"),
    "space between elements": (b"[{}", b" \n", "json"),
    "rest": (b"[{}]x\n[oops", b"x", "json"),
    "row": (HEADER, b"x", "csv"),
    "quoted row": (HEADER + b'"', b"x", "csv"),
    "quoted rows": (HEADER + b'"', b"x\n", "csv"),
}


def test_long_first_row_affects_no_later_input(tmp_path: Path) -> None:
    """A first row that is too long for memory is no header; the spill must not keep its bytes."""
    long = b"y" * 2_000_000
    (tmp_path / "a").write_bytes(b"x" * 2_000_000 + b"\n" + HEADER)
    (tmp_path / "b").write_bytes(HEADER + b"a.com,AMS\n" + long + b"\n")
    cli = Cli(tmp_path)
    run = cli("convert", "a", "b", "--input-format", "csv", "--rejects", "rejects", "-o", "out")
    assert (run.code, (tmp_path / "out").read_bytes().count(b"\n")) == (1, 2)
    (line,) = (tmp_path / "rejects").read_bytes().splitlines()
    assert json.loads(line)["raw"].encode() == long


def test_spill_needs_no_access_to_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rejects file that can be written, in a folder that cannot, is rewritten in place."""
    opened = Temporary.open

    def refuse(temporary: Temporary) -> None:
        if temporary.folder == os.fspath(tmp_path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        opened(temporary)

    monkeypatch.setattr(Temporary, "open", refuse)
    (tmp_path / "rejects").touch()
    output = Output(os.fspath(tmp_path / "rejects"))
    output.open()
    spill = SpillFile(output)
    spill.write(b"abc")
    assert (b"".join(spill.pieces()), spill.is_text) == (b"abc", True)
    spill.close()
    output.discard()


def test_spill_starts_again_after_clear(tmp_path: Path) -> None:
    output = Output(os.fspath(tmp_path / "rejects"))
    output.open()
    spill = SpillFile(output)
    spill.clear()
    for content, is_text in ((b"\xff" * 5, False), (b"\xc3\xa9" * 200_000, True)):
        spill.write(content)
        assert (b"".join(spill.pieces()), spill.is_text, spill.size_bytes) == (content, is_text, len(content))
        spill.clear()
    spill.close()
    output.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "quoted rows" else []) for name in ENDLESS]
)
@pytest.mark.parametrize("delimiter", [None, "|"])
def test_stream_keeps_little_of_endless_input(name: str, delimiter: str | None) -> None:
    first, unit, input_format = ENDLESS[name]
    if delimiter is not None and input_format == "csv":
        pytest.skip("rows have no record delimiter")
    normalizer = Normalizer(input_format=input_format, max_record_bytes=5000, record_delimiter=delimiter)
    block = unit * (4096 // len(unit))
    with normalizer.stream(whole_rejects=NoSpill()) as stream:
        list(stream.parts(first + block))
        tracemalloc.start()
        try:
            for _ in range(100):
                list(stream.parts(block))
            # An unfinished record, the first 64 KiB of a reject, and a few blocks; 400 KB were fed.
            assert tracemalloc.get_traced_memory()[0] <= 5000 + 65_536 + 8 * 4096
        finally:
            tracemalloc.stop()


class NoSpill:
    """Keeps nothing; a `RejectSpill`."""

    def write(self, data: bytes) -> None: ...

    def clear(self) -> None: ...


LIMITED = """
import resource, sys
limit_bytes = int(sys.argv[1])
sys.argv[1:] = ["convert", *sys.argv[2:]]
resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
from cfdns_fast.__main__ import main
try:
    main()
finally:
    with open("/proc/self/status", encoding="ascii") as file:
        high_water = next(line.split()[1] for line in file if line.startswith("VmHWM"))
    with open("high_water", "w", encoding="ascii") as file:
        file.write(high_water)
"""

#: Threads -> limit of the address space. Threads reserve stacks and heaps that they mostly do not use.
LIMIT_BYTES = {1: 256_000_000, 16: 1_600_000_000}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's size from /proc")
@pytest.mark.skipif(SANITIZED, reason="AddressSanitizer needs terabytes of address space")
@pytest.mark.parametrize("threads", LIMIT_BYTES)
@pytest.mark.parametrize("name", ENDLESS)
def test_convert_of_endless_input_stays_below_100_mb(name: str, threads: int, tmp_path: Path) -> None:
    first, unit, input_format = ENDLESS[name]
    cli = Cli(tmp_path)
    options = ["-o", "out.gz", "--rejects", "rejects", "--fail-on", "none"]
    options += ["--threads", str(threads), "--input-format", input_format]
    # Quoted rows are a million rejects, which take 20 s.
    size_bytes = 3_000_000 if name == "quoted rows" else 60_000_000
    block = unit * (1_000_000 // len(unit))
    (tmp_path / "in").write_bytes(first + block * (size_bytes // len(block)))
    command = [sys.executable, "-c", LIMITED, str(LIMIT_BYTES[threads]), "in", *options]
    done = subprocess.run(command, cwd=tmp_path, env=cli.environment, capture_output=True, timeout=300)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert int((tmp_path / "high_water").read_text()) < 100_000
