"""Outputs as the package writes them: complete or absent."""

from __future__ import annotations

import gzip
import os
import random
import stat
import zlib
from pathlib import Path
from typing import Any

import pytest

from cfdns_fast.io import compressors
from cfdns_fast.io.outputs import Output, OutputFault
from cfdns_fast.io.zstd_library import ZstdMissing, zstd_library

LINES = b"".join(b'{"n":%d}\n' % number for number in range(20_000))

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file kinds and permissions")


@pytest.fixture(autouse=True, params=["unnamed", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with temporary files without a name, where the system has them, and with named ones."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def publish(path: Path, *blocks: bytes) -> None:
    output = Output(os.fspath(path))
    output.open()
    for block in blocks:
        output.write(block)
    output.seal()
    output.publish()


def zstd_or_skip() -> Any:
    try:
        return zstd_library()
    except ZstdMissing:
        pytest.skip("no library for zstd")


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def test_unpublished_output_leaves_the_old_file(tmp_path: Path) -> None:
    path = written(tmp_path / "out", b"old")
    output = Output(os.fspath(path))
    output.open()
    output.write(b"new")
    output.seal()
    assert path.read_bytes() == b"old"
    output.discard()
    assert (names(tmp_path), path.read_bytes()) == (["out"], b"old")


def test_published_output_is_complete(tmp_path: Path) -> None:
    """A later discard changes nothing."""
    output = Output(os.fspath(tmp_path / "out"))
    output.open()
    output.write(b"one\n")
    output.write(b"two\n")
    assert "out" not in names(tmp_path)
    output.seal()
    output.publish()
    output.discard()
    assert (names(tmp_path), (tmp_path / "out").read_bytes()) == (["out"], b"one\ntwo\n")


def test_unopened_output_can_be_discarded(tmp_path: Path) -> None:
    Output(os.fspath(tmp_path / "out")).discard()
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["out.gz", "OUT.GZ"])
def test_gz_output_is_reproducible(tmp_path: Path, name: str) -> None:
    publish(tmp_path / name, LINES, LINES)
    first = (tmp_path / name).read_bytes()
    publish(tmp_path / name, LINES, LINES)
    assert (tmp_path / name).read_bytes() == first
    assert first[4:8] == bytes(4)
    assert gzip.decompress(first) == LINES * 2


def test_empty_gz_output_is_an_empty_member(tmp_path: Path) -> None:
    publish(tmp_path / "out.gz")
    assert gzip.decompress((tmp_path / "out.gz").read_bytes()) == b""


@pytest.mark.parametrize("name", ["out.ndjson.zst", "OUT.ZST"])
def test_zst_output_is_one_reproducible_frame(tmp_path: Path, name: str) -> None:
    zstd = zstd_or_skip()
    publish(tmp_path / name, LINES, LINES)
    first = (tmp_path / name).read_bytes()
    publish(tmp_path / name, LINES, LINES)
    assert (tmp_path / name).read_bytes() == first
    decoder = zstd.ZstdDecompressor()
    assert decoder.decompress(first) == LINES * 2
    assert decoder.eof and not decoder.unused_data
    # The flag of the checksum of the content.
    assert first[4] & 4
    publish(tmp_path / name)
    assert zstd.decompress((tmp_path / name).read_bytes()) == b""


def test_missing_zstd_library_leaves_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ZstdMissing

    monkeypatch.setattr(compressors, "zstd_library", missing)
    output = Output(os.fspath(tmp_path / "out.zst"))
    with pytest.raises(OutputFault, match=r"out\.zst: the library backports\.zstd is missing: pip install 'cfdns-fast"):
        output.open()
    output.discard()
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["out.gz", "out.zst"])
def test_compressed_bytes_do_not_depend_on_cuts(name: str) -> None:
    if name == "out.zst":
        zstd_or_skip()
    rng = random.Random(3)
    data = b"".join(b'{"n":"%x"}\n' % rng.getrandbits(40) for _ in range(20_000))
    made = set()
    for size in (len(data), 128 << 10, 100_000, 1000, 77):
        compressor = compressors.compressor_of(name)
        assert compressor is not None
        parts = [compressor.compress(data[start : start + size]) for start in range(0, len(data), size)]
        made.add(b"".join([*parts, compressor.finish()]))
    assert len(made) == 1


@pytest.mark.parametrize("name", ["out.gz", "out.zst"])
def test_flushed_compressor_holds_nothing_back(name: str) -> None:
    decoder = zlib.decompressobj(31) if name == "out.gz" else zstd_or_skip().ZstdDecompressor()
    compressor = compressors.compressor_of(name)
    assert compressor is not None
    for part in (b"{}\n", LINES, b"x"):
        assert decoder.decompress(compressor.compress(part) + compressor.flush()) == part
    assert decoder.decompress(compressor.compress(b"end") + compressor.finish()) == b"end"
    assert decoder.eof


@needs_posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_output_keeps_permissions_of_its_target(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "out", b"old")
    path.chmod(mode)
    publish(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


@needs_posix
def test_new_output_follows_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        publish(tmp_path / "out", b"new")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


@needs_posix
def test_temporary_file_of_private_output_is_private(tmp_path: Path) -> None:
    path = written(tmp_path / "out", b"old")
    path.chmod(0o600)
    output = Output(os.fspath(path))
    output.open()
    assert output._raw is not None
    assert stat.S_IMODE(os.fstat(output._raw.fileno()).st_mode) == 0o600
    output.discard()


@needs_posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_write_protected_output_raises(tmp_path: Path) -> None:
    path = written(tmp_path / "out", b"old")
    path.chmod(0o444)
    with pytest.raises(OutputFault, match="Permission denied"):
        Output(os.fspath(path)).open()


@needs_posix
@pytest.mark.parametrize("exists", [True, False])
def test_symlink_output_writes_its_target(tmp_path: Path, exists: bool) -> None:
    real = tmp_path / "real"
    real.mkdir()
    if exists:
        (real / "out").write_bytes(b"old")
    (tmp_path / "second").symlink_to("real/out")
    (tmp_path / "first").symlink_to(tmp_path / "second")
    publish(tmp_path / "first", b"new")
    assert (tmp_path / "first").is_symlink() and (tmp_path / "second").is_symlink()
    assert (real / "out").read_bytes() == b"new"
    assert names(real) == ["out"]


@needs_posix
def test_output_name_may_have_maximum_length(tmp_path: Path) -> None:
    publish(tmp_path / ("n" * 255), b"new")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"new"


@needs_posix
def test_descriptor_output_is_written_at_its_position(tmp_path: Path) -> None:
    path = written(tmp_path / "log", b"before\n")
    with open(path, "ab") as file:
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        publish(Path(f"/dev/fd/{file.fileno()}"), b"one\n")
        publish(tmp_path / "link", b"two\n")
        file.write(b"after\n")
    assert path.read_bytes() == b"before\none\ntwo\nafter\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk_fault_names_the_output() -> None:
    output = Output("/dev/full")
    output.open()
    with pytest.raises(OutputFault) as caught:
        output.write(b"x")
    output.discard()
    assert str(caught.value) == "/dev/full: No space left on device"
    assert not output.broken_pipe


@needs_posix
def test_closed_descriptor_is_a_fault() -> None:
    with pytest.raises(OutputFault, match="Bad file descriptor"):
        Output("/dev/fd/987").open()


@needs_posix
@pytest.mark.parametrize(
    ("name", "reason"),
    [("loop", "Too many levels of symbolic links"), ("n" * 300, "File name too long")],
    ids=["loop", "long"],
)
def test_impossible_output_name_is_a_fault(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputFault, match=reason):
        Output(os.fspath(tmp_path / name)).open()
