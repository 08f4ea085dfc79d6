"""``convert`` with directories, patterns and prefixes of object stores as inputs, to one output file."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from support.command import RECORD, Cli, CliHere, Folder, needs_posix, numbered, query_names, records
from support.logpush_names import log_name, write_logs
from support.object_servers import Bucket, FaultyServer, bucket_environment
from support.processes import run_python

DAYS = "20260825", "20260826"
NAMES = [log_name(day, hour) for day in DAYS for hour in (0, 12)]


def names_in(folder: Folder, name: str = "out") -> list[str]:
    return query_names((folder.directory / name).read_bytes())


# Directories and patterns


@pytest.mark.parametrize("name", ["logs", "logs/", "./logs", "logs/*/*", "logs/**", "logs/2026*/*.log.gz"])
def test_directory_is_read_in_order_of_the_names(cli_here: CliHere, name: str) -> None:
    expected = write_logs(cli_here.directory / "logs", *NAMES)
    run = cli_here("convert", name, "-o", "out", "--summary-json", "summary")
    assert (run.code, names_in(cli_here)) == (0, expected)
    summary = json.loads((cli_here.directory / "summary").read_bytes())
    assert (summary["inputs"], summary["not_read"], summary["events"]) == (4, {}, 8)


def test_inputs_keep_the_order_in_which_they_are_named(cli_here: CliHere) -> None:
    write_logs(cli_here.directory / "logs", *NAMES)
    run = cli_here("convert", "extra", "logs/20260826", "logs/20260825", "-o", "out", extra=records(1, 100))
    assert (run.code, names_in(cli_here)) == (0, ["n100.example.com", *numbered(4, 4), *numbered(4)])


def test_files_of_other_purposes_are_counted(cli_here: CliHere) -> None:
    """They are skipped by their names alone, and a summary has their number."""
    logs = cli_here.directory / "logs"
    expected = write_logs(logs, *NAMES)
    others = {
        "test.txt.gz": b"x",
        "20260825/ownership-challenge-0a.txt": b"y",
        "20260825/.part": RECORD,
        "none.gz": b"",
    }
    for name, content in others.items():
        (logs / name).write_bytes(content)
    run = cli_here("convert", "logs", "-o", "out", "--summary-json", "summary")
    assert (run.code, names_in(cli_here)) == (0, expected)
    assert run.lines[-1].endswith(", not read 4 (check file 1; empty 1; hidden 1; ownership challenge 1)")
    summary = json.loads((cli_here.directory / "summary").read_bytes())
    assert summary["not_read"] == {"check file": 1, "empty": 1, "hidden": 1, "ownership challenge": 1}


def test_content_decides_and_not_the_name(cli_here: CliHere) -> None:
    logs = cli_here.directory / "logs"
    logs.mkdir()
    contents = [gzip.compress(records(1)), records(1, 1), b"QueryName,Timestamp\nn2.example.com,1\n", records(1, 3)]
    for number, content in enumerate(contents):
        (logs / f"{number}.zst").write_bytes(content)
    assert cli_here("convert", "logs", "-o", "out").code == 0
    assert names_in(cli_here) == numbered(4)


@needs_posix
@pytest.mark.parametrize("name", ["a b+100%25=&;,'\"", "ü ñ €", "[x]*?", "x" * 200])
def test_names_with_any_characters_are_read(cli_here: CliHere, name: str) -> None:
    path = "/".join(["logs", *[name] * 5])
    expected = write_logs(cli_here.directory / path, *NAMES)
    for given in ("logs", path, f"./{path}/"):
        assert cli_here("convert", given, "-o", "out").code == 0
        assert names_in(cli_here) == expected
    # A file with such a name is no pattern.
    assert cli_here("convert", f"{path}/{NAMES[0]}", "-o", "out").code == 0
    assert names_in(cli_here) == expected[:2]


@pytest.mark.parametrize(
    ("arguments", "first", "last"),
    [
        (["--since", "2026-08-26"], 4, 8),
        (["--until", "2026-08-26"], 0, 4),
        (["--since", "2026-08-25T12", "--until", "2026-08-26T12"], 2, 6),
        (["--since", "20260826T12"], 6, 8),
    ],
)
def test_since_and_until_select_by_name(cli_here: CliHere, arguments: list[str], first: int, last: int) -> None:
    expected = write_logs(cli_here.directory / "logs", *NAMES)
    run = cli_here("convert", "logs", "-o", "out", *arguments)
    assert (run.code, names_in(cli_here)) == (0, expected[first:last])


def test_fault_of_a_listed_file_names_it(cli_here: CliHere) -> None:
    write_logs(cli_here.directory / "logs", *NAMES)
    path = cli_here.directory / "logs" / NAMES[1]
    path.write_bytes(path.read_bytes()[:-6])
    run = cli_here("convert", "logs", "-o", "out")
    size_bytes = path.stat().st_size
    name = os.path.join("logs", NAMES[1])
    assert run.code == 1
    assert run.lines[0] == f"cfdns-fast: {name}: truncated gzip (at byte {size_bytes} of the compressed input)"
    assert names_in(cli_here) == numbered(8)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("empty", "empty: has no files"),
        ("*.gz", "*.gz: matches no files"),
        ("typo/*.gz", "typo/*.gz: matches no files"),
        ("typo/", "typo/: No such file or directory"),
    ],
)
def test_input_that_lists_nothing_exits_1(cli_here: CliHere, name: str, text: str) -> None:
    """Other inputs are converted; without any, the output stays as it is."""
    (cli_here.directory / "empty").mkdir()
    cli_here.write("out", b"kept")
    run = cli_here("convert", name, "-o", "out", "-q")
    assert (run.code, run.lines, (cli_here.directory / "out").read_bytes()) == (1, [f"cfdns-fast: {text}"], b"kept")
    run = cli_here("convert", name, "in", "-o", "out", "-q", **{"in": RECORD})
    assert (run.code, run.lines, names_in(cli_here)) == (1, [f"cfdns-fast: {text}"], ["www.example.com"])


@pytest.mark.parametrize("output", ["logs/out", "logs/20260825/out", "out/../logs/out.parquet"])
def test_output_inside_an_input_is_wrong_usage(cli_here: CliHere, output: str) -> None:
    write_logs(cli_here.directory / "logs", *NAMES)
    (cli_here.directory / "out").mkdir()
    run = cli_here("convert", "logs", "-o", output)
    expected = f"the output {output} is inside the input logs, so that the next run would read it"
    assert (run.code, run.lines) == (2, [f"cfdns-fast: {expected}"])
    assert not (cli_here.directory / output).exists()
    # A pattern that does not match the output is another thing.
    assert cli_here("convert", "logs/*/*.gz", "-o", "logs/out").code == 0
    assert cli_here("convert", "logs/*/*", "-o", "logs/20260825/out").code == 2


# Usage


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["in", "--since", "2026-08-25"],
            "--since selects from what is listed: give a directory, a pattern or a prefix",
        ),
        (["logs", "--since", "monday"], "'monday' is not a date such as 2026-08-25, or an hour such as 2026-08-25T14"),
        (["logs", "--since", "2026-08-26", "--until", "2026-08-26"], "--since must be before --until"),
        (["in", "--region", "eu"], "--region is for object stores, and no input or output is a URL"),
        (["s3://bucket/logs/{DATE}/"], "{DATE} is a folder for each day: name the prefix without it"),
        (["s4://bucket/x"], "s4://bucket/x: use s3://, gs://, az://"),
        (["s3:///x"], "s3:///x: there is no name of a bucket after s3://"),
        (["https://example.com/x"], "https://example.com/x: use s3://"),
        (["in", "-o", "s3://bucket/x.ndjson"], "-o names one object of a store; name a prefix, which ends in /"),
        (["in", "--rejects", "s3://bucket/x"], "--rejects is a file if the output is a file, and not a URL"),
    ],
)
def test_wrong_usage_is_one_sentence(cli_here: CliHere, arguments: list[str], text: str) -> None:
    write_logs(cli_here.directory / "logs", *NAMES)
    run = cli_here("convert", *arguments, **{"in": RECORD})
    assert (run.code, len(run.lines)) == (2, 1)
    assert run.lines[0].startswith(("cfdns-fast: ", "cfdns-fast: Invalid value")) and text in run.lines[0]


@pytest.mark.parametrize("url", ["s3://KEY:hush@bucket/x/", "https://u:hush@host/x/", "s3://bucket/x?/?token=hush/"])
def test_secrets_of_a_url_are_not_shown(cli_here: CliHere, url: str) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed")
    # No part of a test needs a store that is elsewhere.
    endpoint = ["--endpoint-url", "http://127.0.0.1:9"]
    for arguments in ([url, "-o", "out"], [url, "-o", "events/"], ["in", "-o", url]):
        run = cli_here("convert", *arguments, *endpoint, "-q", **{"in": RECORD})
        assert run.code in (1, 2) and len(run.lines) == 1
        assert "hush" not in run.errors


def test_plain_file_needs_no_library_of_stores(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(RECORD)
    program = f"""
import sys
from cfdns_fast.cli.app import main
try:
    main(["convert", "-q", {str(tmp_path / "in")!r}, "-o", {os.devnull!r}])
finally:
    print(*sys.modules)
"""
    modules = set(run_python(program).stdout.split())
    assert not {"obstore", "pyarrow", "tqdm", "cfdns_fast.files"} & modules
    assert "cfdns_fast.cli.convert" in modules


# Object stores


def put(bucket: Bucket, prefix: str, files: dict[str, bytes]) -> None:
    from cfdns_fast.files import StoreOptions, open_store

    store = open_store(f"{bucket.url}/{prefix}", StoreOptions(endpoint_url=bucket.endpoint))
    for name, content in files.items():
        store.put(name, content)


@pytest.fixture
def bucket(rclone_store: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Return a bucket, with its credentials in the environment; its server is in ``--endpoint-url`` alone."""
    for name, value in bucket_environment(rclone_store.endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    return rclone_store


def test_prefix_of_a_bucket_is_read_in_order(cli_here: CliHere, bucket: Bucket) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed")
    files = {name: gzip.compress(records(2, number * 2)) for number, name in enumerate(NAMES)}
    put(bucket, "in order", files | {"test.txt.gz": b"x", "a ü+%/z.gz": records(1, 8)})
    url = f"{bucket.url}/in order"
    options = ["--endpoint-url", bucket.endpoint]
    for given in (url, f"{url}/", f"{url}/**"):
        run = cli_here("convert", given, *options, "-o", "out")
        assert (run.code, names_in(cli_here)) == (0, numbered(9))
        assert run.lines[-1].endswith(", not read 1 (check file 1)")
    for given in (f"{url}/{NAMES[1]}", f"{url}/20260825/*T12*"):
        assert cli_here("convert", given, *options, "-o", "out").code == 0
        assert names_in(cli_here) == numbered(2, 2)
    run = cli_here("convert", url, *options, "-o", "out", "--since", "2026-08-26T12")
    assert (run.code, names_in(cli_here)) == (0, numbered(2, 6))


def test_prefix_without_objects_exits_1(cli_here: CliHere, bucket: Bucket) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed")
    url = f"{bucket.url}/nothing/here/"
    run = cli_here("convert", url, "--endpoint-url", bucket.endpoint, "-o", "out", "-q")
    assert (run.code, run.lines, cli_here.names()) == (1, [f"cfdns-fast: {url}: has no objects"], [])


def test_fault_within_an_object_has_its_position(cli_here: CliHere, bucket: Bucket) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed")
    compressed = gzip.compress(records(3000))[:-50]
    put(bucket, "cut", {"a.gz": compressed, "b.gz": records(1, 5000)})
    run = cli_here(
        "convert", f"{bucket.url}/cut/", "--endpoint-url", bucket.endpoint, "-o", "out", "--rejects", "rejects"
    )
    fault = f"truncated gzip (at byte {len(compressed)} of the compressed input)"
    assert (run.code, run.lines[0]) == (1, f"cfdns-fast: {bucket.url}/cut/a.gz: {fault}")
    assert names_in(cli_here)[-1] == "n5000.example.com"
    rejects = (cli_here.directory / "rejects").read_bytes().splitlines()
    assert [json.loads(line)["input"] for line in rejects] == [f"{bucket.url}/cut/a.gz"]


def test_store_that_fails_in_an_object_is_a_fault(
    cli_here: CliHere, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before is converted, and so are the other objects."""
    pytest.importorskip("obstore", reason="obstore is not installed")
    from cfdns_fast.files import StoreError
    from cfdns_fast.files.object_reader import ObjectReader

    put(bucket, "fails", {"a": records(3), "b": records(1, 3)})
    read = ObjectReader.read
    reads = 0

    def fail_once(reader: ObjectReader, size: int = -1) -> bytes:
        nonlocal reads
        reads += 1
        if reads == 2:
            raise StoreError("store.unavailable", "the store does not answer")
        return read(reader, size)

    monkeypatch.setattr(ObjectReader, "read", fail_once)
    run = cli_here("convert", f"{bucket.url}/fails/", "--endpoint-url", bucket.endpoint, "-o", "out", "-q")
    size_bytes = len(records(3))
    fault = f"cfdns-fast: {bucket.url}/fails/a: the store does not answer (at byte {size_bytes})"
    assert (run.code, run.lines, names_in(cli_here)) == (1, [fault], numbered(4))


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (400, "ExpiredToken"), (403, "InvalidAccessKeyId")]
)
def test_refused_list_is_one_sentence(
    cli_here: CliHere, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    """The answer of the server is not shown, because it may hold keys."""
    pytest.importorskip("obstore", reason="obstore is not installed")

    def refuse(_number: int, handler: object) -> bool:
        handler.error(status, code)  # type: ignore[attr-defined]
        return True

    with FaultyServer(b"", refuse) as server:
        for name, value in bucket_environment(server.endpoint).items():
            monkeypatch.setenv(name, value)
        for output in ("out", "events/"):
            run = cli_here("convert", "s3://bucket/logs/", "-o", output, "-q")
            assert (run.code, len(run.lines)) == (1, 1)
            assert "hush" not in run.errors and "<" not in run.errors
    assert not (cli_here.directory / "out").exists()


@pytest.mark.slow
def test_library_that_is_missing_is_named(cli: Cli) -> None:
    """Without obstore, folders can still be read."""
    write_logs(cli.directory / "logs", *NAMES)
    cli.write("obstore.py", b"raise ModuleNotFoundError('No module named obstore', name='obstore')\n")
    path = f"{cli.directory}{os.pathsep}{cli.environment['PYTHONPATH']}"
    run = cli("convert", "logs", "-o", "out", env={"PYTHONPATH": path})
    assert run.code == 0
    run = cli("convert", "s3://bucket/x/", "-o", "out", env={"PYTHONPATH": path})
    assert run.code in (1, 2) and len(run.lines) == 1
    assert "pip install 'cfdns-fast[files]'" in run.errors


@pytest.mark.slow
@pytest.mark.parametrize("output", ["out.parquet", "out/"])
def test_parquet_without_its_library_is_one_sentence(cli: Cli, output: str) -> None:
    cli.write("in", RECORD)
    cli.write("pyarrow.py", b"raise ModuleNotFoundError('No module named pyarrow', name='pyarrow')\n")
    path = f"{cli.directory}{os.pathsep}{cli.environment['PYTHONPATH']}"
    run = cli("convert", "in", "-o", output, env={"PYTHONPATH": path})
    assert (run.code, len(run.lines)) == (2, 1)
    assert "pip install 'cfdns-fast[files]'" in run.errors
    assert cli.names() == ["in", "pyarrow.py"]
