"""Inputs and outputs as files.py reads and writes them, without a command line."""

from __future__ import annotations

import errno
import gzip
import os
import random
import stat
import sys
import threading
import zlib
from pathlib import Path

import pytest

from cfdns_fast.files import (
    BLOCK_BYTES,
    InputFault,
    Output,
    OutputFault,
    PathError,
    check_outputs,
    read_blocks,
    total_bytes,
)

LINES = b"".join(b'{"n":%d}\n' % number for number in range(20_000))

needs_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file kinds and permissions")


def read(path: Path) -> tuple[bytes, InputFault | None]:
    """Return all that is read of an input, and how it ended."""
    blocks = []
    try:
        for block in read_blocks(os.fspath(path)):
            assert 0 < len(block) <= BLOCK_BYTES + 2048
            blocks.append(block)
    except InputFault as fault:
        return b"".join(blocks), fault
    return b"".join(blocks), None


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


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


@pytest.mark.parametrize("content", [b"", b"{", b"\x1f", b"\x1f\x8c{}\n", LINES, bytes(3 * BLOCK_BYTES)])
def test_read_blocks_when_plain_then_as_stored(tmp_path, content):
    assert read(written(tmp_path / "in", content)) == (content, None)


def test_read_blocks_when_gzip_then_told_by_content_not_by_name(tmp_path):
    assert read(written(tmp_path / "in.ndjson", gzip.compress(LINES))) == (LINES, None)
    assert read(written(tmp_path / "in.gz", LINES)) == (LINES, None)


def test_read_blocks_when_gzip_has_name_extra_and_comment_then_skipped(tmp_path):
    body = gzip.compress(b"{}\n")[10:]
    head = b"\x1f\x8b\x08\x1c" + bytes(6) + b"\x02\x00xy" + b"name\x00" + b"comment\x00"
    assert read(written(tmp_path / "in", head + body)) == (b"{}\n", None)


@pytest.mark.parametrize("padding", [0, 1, 511, 200_000])
def test_read_blocks_when_several_members_then_all_read(tmp_path, padding):
    members = [gzip.compress(part) for part in (b'{"a":1}\n', b"", LINES, b'{"b"', b":2}\n")]
    content = bytes(padding).join(members) + bytes(padding)
    assert read(written(tmp_path / "in", content)) == (b'{"a":1}\n' + LINES + b'{"b":2}\n', None)


def test_read_blocks_when_members_are_many_and_tiny_then_all_read(tmp_path):
    content = b"".join(gzip.compress(b"%d\n" % number) for number in range(5000))
    assert read(written(tmp_path / "in", content)) == (b"".join(b"%d\n" % number for number in range(5000)), None)


def test_read_blocks_when_compressed_a_thousandfold_then_blocks_stay_small(tmp_path):
    plain = bytes(8 * BLOCK_BYTES + 5)
    assert read(written(tmp_path / "in", gzip.compress(plain))) == (plain, None)


@pytest.mark.parametrize("tail", [b"{}", b"\n", b"\x1f\x8c", b"\x1fx", bytes(70_000) + b"x"])
def test_read_blocks_when_bytes_after_last_member_are_not_gzip_then_fault_after_all_members(tmp_path, tail):
    member = gzip.compress(LINES)
    content, fault = read(written(tmp_path / "in", member + tail))
    assert content == LINES
    assert fault is not None
    assert fault.byte_offset == len(member) + len(tail) - len(tail.lstrip(b"\0"))
    assert str(fault) == f"not gzip after the last member (at byte {fault.byte_offset} of the compressed input)"


@pytest.mark.parametrize("kept", [2, 5, 10, 11, 1000, -9, -8, -1])
def test_read_blocks_when_gzip_is_truncated_then_all_that_decodes_comes_first(tmp_path, kept):
    compressed = gzip.compress(LINES)[:kept]
    content, fault = read(written(tmp_path / "in", compressed))
    assert content == zlib.decompressobj(31).decompress(compressed)
    assert LINES.startswith(content)
    if kept < 0:
        assert len(content) > len(LINES) - 1000
    assert str(fault) == f"truncated gzip (at byte {len(compressed)} of the compressed input)"


def test_read_blocks_when_second_member_is_only_begun_then_truncated(tmp_path):
    member = gzip.compress(LINES)
    content, fault = read(written(tmp_path / "in", member + b"\x1f"))
    assert content == LINES
    assert str(fault) == f"truncated gzip (at byte {len(member) + 1} of the compressed input)"


def test_read_blocks_when_checksum_is_wrong_then_every_byte_before_it(tmp_path):
    compressed = bytearray(gzip.compress(LINES))
    compressed[-8] ^= 1
    content, fault = read(written(tmp_path / "in", bytes(compressed)))
    assert content == LINES
    assert fault is not None and fault.byte_offset is not None
    assert len(compressed) - 8 <= fault.byte_offset < len(compressed)
    assert "incorrect data check" in fault.reason


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_read_blocks_when_damaged_in_the_middle_then_what_decodes_before_the_fault(tmp_path, fraction):
    # Stored blocks: what stands before a damaged block header is known to the byte.
    half = LINES[: int(len(LINES) * fraction)]
    compressor = zlib.compressobj(0, wbits=31)
    sound = compressor.compress(half) + compressor.flush(zlib.Z_FULL_FLUSH)
    content, fault = read(written(tmp_path / "in", sound + b"\xff" * 100))
    assert content == half
    assert fault is not None and fault.byte_offset == len(sound)
    assert fault.reason == "damaged gzip, invalid block type"


def test_read_blocks_when_a_flipped_bit_damages_it_then_every_byte_that_can_be_had(tmp_path):
    compressed = gzip.compress(LINES[:20_000])
    rng = random.Random(7)
    for _ in range(40):
        damaged = bytearray(compressed)
        damaged[rng.randrange(10, len(compressed))] ^= 1 << rng.randrange(8)
        best = b""
        decoder = zlib.decompressobj(31)
        try:
            for byte in damaged:
                best += decoder.decompress(bytes([byte]))
        except zlib.error:
            pass
        content, fault = read(written(tmp_path / "in", bytes(damaged)))
        assert content.startswith(best)
        assert fault is not None


def test_read_blocks_when_method_is_unknown_then_fault_without_content(tmp_path):
    content, fault = read(written(tmp_path / "in", b"\x1f\x8b\x09" + bytes(30)))
    assert content == b""
    assert fault is not None and fault.reason == "damaged gzip, unknown compression method"


def test_read_blocks_when_missing_then_fault_without_position(tmp_path):
    content, fault = read(tmp_path / "nowhere")
    assert (content, str(fault)) == (b"", "No such file or directory")


@needs_posix
def test_read_blocks_when_directory_then_fault(tmp_path):
    assert str(read(tmp_path)[1]) == "Is a directory"


@pytest.mark.skipif(sys.platform != "linux", reason="a file that opens and cannot be read")
def test_read_blocks_when_reading_fails_then_fault_with_position():
    fault = read(Path("/proc/self/mem"))[1]
    assert str(fault) == f"{os.strerror(errno.EIO)} (at byte 0)"


@needs_posix
def test_read_blocks_when_pipe_gives_single_bytes_then_gzip_is_still_told(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write_bytewise() -> None:
        with open(fifo, "wb", buffering=0) as pipe:
            for byte in gzip.compress(b"{}\n"):
                pipe.write(bytes([byte]))

    writer = threading.Thread(target=write_bytewise)
    writer.start()
    assert read(fifo) == (b"{}\n", None)
    writer.join()


def test_read_blocks_when_watched_then_stored_bytes_are_counted(tmp_path):
    compressed = gzip.compress(LINES) * 3
    counts: list[int] = []
    for _ in read_blocks(os.fspath(written(tmp_path / "in", compressed)), counts.append):
        pass
    assert sum(counts) == len(compressed)


def test_total_bytes_when_all_are_files_then_their_sum_else_none(tmp_path):
    one, two = written(tmp_path / "a", b"123"), written(tmp_path / "b", b"4567")
    assert total_bytes([str(one), str(two)]) == 7
    assert total_bytes([str(one), str(tmp_path)]) is None
    assert total_bytes([str(one), str(tmp_path / "nowhere")]) is None


def test_output_when_not_published_then_only_the_old_file(tmp_path):
    path = written(tmp_path / "out", b"old")
    output = Output(os.fspath(path))
    output.open()
    output.write(b"new")
    output.seal()
    assert path.read_bytes() == b"old"
    output.discard()
    assert (names(tmp_path), path.read_bytes()) == (["out"], b"old")


def test_output_when_published_then_complete_and_discard_changes_nothing(tmp_path):
    output = Output(os.fspath(tmp_path / "out"))
    output.open()
    output.write(b"one\n")
    output.write(b"two\n")
    assert "out" not in names(tmp_path)
    output.seal()
    output.publish()
    output.discard()
    assert (names(tmp_path), (tmp_path / "out").read_bytes()) == (["out"], b"one\ntwo\n")


def test_output_when_never_opened_then_discard_is_harmless(tmp_path):
    Output(os.fspath(tmp_path / "out")).discard()
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["out.gz", "OUT.GZ"])
def test_output_when_name_ends_in_gz_then_compressed_and_always_the_same(tmp_path, name):
    publish(tmp_path / name, LINES, LINES)
    first = (tmp_path / name).read_bytes()
    publish(tmp_path / name, LINES, LINES)
    assert (tmp_path / name).read_bytes() == first
    assert first[4:8] == bytes(4)
    assert gzip.decompress(first) == LINES * 2


def test_output_when_empty_then_an_empty_member(tmp_path):
    publish(tmp_path / "out.gz")
    assert gzip.decompress((tmp_path / "out.gz").read_bytes()) == b""


@needs_posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_output_when_target_exists_then_its_permissions_are_kept(tmp_path, mode):
    path = written(tmp_path / "out", b"old")
    path.chmod(mode)
    publish(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


@needs_posix
def test_output_when_target_is_new_then_permissions_follow_the_umask(tmp_path):
    previous = os.umask(0o027)
    try:
        publish(tmp_path / "out", b"new")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


@needs_posix
def test_output_when_target_is_private_then_its_temporary_file_is_private_too(tmp_path):
    path = written(tmp_path / "out", b"old")
    path.chmod(0o600)
    output = Output(os.fspath(path))
    output.open()
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()} == {0o600}
    output.discard()


@needs_posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_output_when_target_is_write_protected_then_refused(tmp_path):
    path = written(tmp_path / "out", b"old")
    path.chmod(0o444)
    with pytest.raises(OutputFault, match="Permission denied"):
        Output(os.fspath(path)).open()


@needs_posix
@pytest.mark.parametrize("exists", [True, False])
def test_output_when_symlink_then_its_target_is_written_and_the_link_stays(tmp_path, exists):
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
def test_output_when_name_has_the_greatest_length_then_still_written(tmp_path):
    publish(tmp_path / ("n" * 255), b"new")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"new"


@needs_posix
def test_output_when_open_descriptor_is_named_then_written_at_its_position(tmp_path):
    path = written(tmp_path / "log", b"before\n")
    with open(path, "ab") as file:
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        publish(Path(f"/dev/fd/{file.fileno()}"), b"one\n")
        publish(tmp_path / "link", b"two\n")
        file.write(b"after\n")
    assert path.read_bytes() == b"before\none\ntwo\nafter\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_output_when_disk_is_full_then_fault_names_it():
    output = Output("/dev/full")
    output.open()
    with pytest.raises(OutputFault) as caught:
        output.write(b"x")
    output.discard()
    assert str(caught.value) == "/dev/full: No space left on device"
    assert not caught.value.broken_pipe


@needs_posix
def test_output_when_descriptor_is_not_open_then_fault():
    with pytest.raises(OutputFault, match="Bad file descriptor"):
        Output("/dev/fd/987").open()


def conflict(inputs: list[Path | str], outputs: list[Path | str]) -> str | None:
    try:
        check_outputs([os.fspath(name) for name in inputs], [os.fspath(name) for name in outputs])
    except PathError as error:
        return str(error)
    return None


def test_check_outputs_when_all_differ_then_accepted(tmp_path):
    path = written(tmp_path / "in", b"")
    written(tmp_path / "out", b"")
    assert conflict([path, path], [tmp_path / "out", tmp_path / "rejects"]) is None


def test_check_outputs_when_output_is_an_input_then_refused(tmp_path):
    path = written(tmp_path / "in", b"")
    os.link(path, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(path)
    for output in (path, tmp_path / "hard", tmp_path / "soft", f"{tmp_path}/./in"):
        assert conflict([tmp_path / "other", path], [output]) == f"{output}: is the same file as the input {path}"
        assert conflict([path], [tmp_path / "out", output]) == f"{output}: is the same file as the input {path}"


def test_check_outputs_when_both_outputs_are_one_then_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "out")
    output = tmp_path / "out"
    for rejects in (output, tmp_path / "link"):
        assert conflict(["-"], [output, rejects]) == f"{rejects}: is the same file as the output {output}"
    assert conflict([tmp_path / "in"], ["-", "-"]) == "-: is the same file as the output -"


def test_check_outputs_when_missing_input_is_the_output_then_refused(tmp_path):
    name = tmp_path / "in"
    assert conflict([name], [name]) == f"{name}: is the same file as the input {name}"


@needs_posix
def test_check_outputs_when_device_then_it_may_be_everything_at_once():
    assert conflict(["/dev/null"], ["/dev/null", "/dev/null"]) is None


@needs_posix
def test_check_outputs_when_fifo_is_input_and_output_then_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert conflict([tmp_path / "fifo"], [tmp_path / "fifo"]) is not None


def test_check_outputs_when_there_is_no_place_for_the_file_then_refused(tmp_path):
    missing = tmp_path / "nowhere"
    assert conflict(["-"], [tmp_path]) == f"{tmp_path}: is a directory"
    assert conflict(["-"], [f"{missing}{os.sep}"]) == f"{missing}{os.sep}: is a directory"
    assert conflict(["-"], [missing / "out"]) == f"{missing / 'out'}: there is no directory {missing}"
