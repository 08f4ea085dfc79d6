"""The command receive: where its settings come from, and what it says about those that cannot be used."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from support.command import Cli, needs_posix
from support.receiver_process import KEY

from cfdns_fast.cli.convert import command as convert
from cfdns_fast.cli.receive import _settings, command, unknown_variables
from cfdns_fast.receiver.settings import Settings, SettingsError

pytestmark = needs_posix


def settings(*arguments: str) -> Settings:
    context = command.make_context("receive", list(arguments))
    given = {name: value for name, value in context.params.items() if name not in ("config", "check")}
    return _settings(given)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "receive.toml"
    path.write_text(
        'state = "state"\nkeys = "keys"\nlisten = "127.0.0.1:1"\nmax-body = "2MiB"\ndedupe = 60\n'
        'path = "/a"\n[[sink]]\nname = "one"\nurl = "file:///one/"\nkeep_message = false\n'
    )
    return path


def test_defaults_are_those_of_the_settings() -> None:
    found = settings("--state", "s", "--sink", "-", "--keys", "k")
    expected = Settings(state=Path("s"), sinks=found.sinks, keys_file=Path("k"))
    assert found == expected


def test_file_gives_values(toml: Path) -> None:
    found = settings("--config", str(toml))
    assert found.listen == "127.0.0.1:1" and found.max_body_bytes == 2 << 20 and found.dedupe_s == 60
    assert found.paths == ("/a",)
    (sink,) = found.sinks
    assert (sink.name, sink.url, sink.keep_message, sink.schema) == ("one", "file:///one/", False, "sekoia")


def test_paths_are_relative_to_the_file(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    found = settings("--config", str(toml))
    assert found.state == toml.parent / "state" and found.keys_file == toml.parent / "keys"


def test_environment_precedes_the_file(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFDNS_RECEIVE_LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("CFDNS_RECEIVE_SINK", "two=file:///two/ three=-")
    found = settings("--config", str(toml))
    assert found.listen == "127.0.0.1:2" and found.max_body_bytes == 2 << 20
    assert [(sink.name, sink.url) for sink in found.sinks] == [("two", "file:///two/"), ("three", "-")]


def test_flags_precede_the_environment(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFDNS_RECEIVE_LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("CFDNS_RECEIVE_CONFIG", str(toml))
    found = settings("--listen", "127.0.0.1:3", "--sink", "file:///four/?format=ndjson", "--no-message")
    assert found.listen == "127.0.0.1:3"
    (sink,) = found.sinks
    assert (sink.name, sink.keep_message) == ("file", False)


def test_sinks_of_one_kind_need_names() -> None:
    with pytest.raises(ValueError, match="NAME=URL"):
        settings("--state", "s", "--keys", "k", "--sink", "file:///a/", "--sink", "file:///b/")


def test_sources_of_keys() -> None:
    start = ("--state", "s", "--sink", "-", "--keys")
    assert settings(*start, "env:KEYS").keys_environment == "KEYS"
    assert settings(*start, "credential:keys").keys_credential == "keys"
    assert settings(*start, "file").keys_file == Path("file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_bodies = 1\n", "unknown key 'max_bodies'; did you mean max_body?"),
        ("check = true\n", "unknown key 'check'"),
        ('[[sink]]\nurl = "-"\nshema = "ecs"\n', "unknown key 'shema'; did you mean schema?"),
        ('[[sink]]\nurl = "-"\nmax-body = 1\n', "'max-body' is one of the receiver: write it before the first table"),
        ("[detect]\nsliver = true\ndrain = '1s'\n", "'drain' is one of the receiver: write it before the first table"),
        ('indicators = ["feed"]\n', "the key 'indicators' belongs to the table [detect]"),
        ('url = "-"\n', "the key 'url' belongs to a table [[sink]]"),
        ('[[sink]]\nname = "a"\n', "sink 1: it has no url"),
        ('[[sink]]\nurl = "-"\nkeep_message = "no"\n', "keep_message must be true or false"),
        ("[sink]\nurl = 1\n", "write each sink as a table"),
        ("[limits]\nmax_body = 1\n", "unknown key 'limits'"),
        ("listen = [", "receive.toml"),
        ("max_body = 1\nmax-body = 2\n", "max-body is given twice"),
        ("state = 5\n", "state must be text"),
        ('state = ""\n', "state must be text"),
        ('keys = "a\\u0000b"\n', "keys must be text"),
        ("tls_cert = []\n", "tls_cert must be text"),
        ("allow_from = [1]\n", "allow_from must be text"),
        ('allow_no_key = "no"\n', "allow_no_key must be true or false"),
        ("max_members = 1.5\n", "max_members must be a whole number"),
        ("max_members = true\n", "max_members must be a whole number"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "receive.toml"
    path.write_text(text)
    with pytest.raises(click.UsageError) as caught:
        settings("--config", str(path))
    assert message in caught.value.message


def test_fifo_as_the_file_is_refused_at_once(tmp_path: Path) -> None:
    """Opening a FIFO would wait for its writer."""
    path = tmp_path / "receive.toml"
    os.mkfifo(path)
    with pytest.raises(click.UsageError) as caught:
        settings("--config", str(path))
    assert caught.value.message == f"{path}: it is not a regular file"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xe9", "it is not UTF-8"), (b"#" * ((1 << 20) + 1), "it is larger than 1 MiB")]
)
def test_file_of_another_content_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "receive.toml"
    path.write_bytes(content)
    with pytest.raises(click.UsageError) as caught:
        settings("--config", str(path))
    assert caught.value.message == f"{path}: {reason}"


@pytest.mark.parametrize("value", ["'12parsecs'", "true", "[]"])
def test_wrong_value_names_its_option(tmp_path: Path, value: str) -> None:
    path = tmp_path / "receive.toml"
    path.write_text(f'state = "s"\nkeys = "k"\nsink = [{{url = "-"}}]\nmax_body = {value}\n')
    with pytest.raises(click.BadParameter) as caught:
        settings("--config", str(path))
    assert "--max-body" in caught.value.format_message()


def test_values_are_named_as_options_are(cli: Cli) -> None:
    run = cli("receive", "--state", "s", "--sink", "-", "--allow-no-key", "--max-body", "5")
    assert run.code == 2 and run.errors == "cfdns-fast: max_body: use a value from 1024 to 1073741824, not 5\n"
    with pytest.raises(SettingsError, match=r"^in_flight: must not be below max_body"):
        settings("--state", "s", "--sink", "-", "--allow-no-key", "--in-flight", "1MiB")
    with pytest.raises(SettingsError, match=r"^sink: give at least one"):
        settings("--state", "s", "--allow-no-key")


def test_empty_folder_is_refused() -> None:
    with pytest.raises(click.BadParameter, match=r"must not be empty"):
        settings("--state", "", "--sink", "-", "--allow-no-key")


def test_detection_is_asked_for_as_in_convert() -> None:
    def texts(options: click.Command) -> dict[str, str | None]:
        return {each.opts[0]: each.help for each in options.params if isinstance(each, click.Option)}

    shared = ("--detect", "--indicators", "--allow", "--min-confidence", "--addresses", "--rules")
    assert [texts(command)[name] for name in shared] == [texts(convert)[name] for name in shared]


def test_variables_that_are_no_option_are_named() -> None:
    environment = {"CFDNS_RECEIVE_MAX_BODDY": "1", "CFDNS_RECEIVE_KEY_LINES": "a = b", "CFDNS_RECEIVE_LISTEN": "x"}
    (warning,) = unknown_variables(environment, command, "env:CFDNS_RECEIVE_KEY_LINES")
    assert "CFDNS_RECEIVE_MAX_BODDY is no option" in warning and "did you mean CFDNS_RECEIVE_MAX_BODY?" in warning


def test_absent_file_is_named() -> None:
    with pytest.raises(click.UsageError, match=r"absent\.toml"):
        settings("--config", "absent.toml")


def test_help_lists_commands_without_their_libraries(cli: Cli) -> None:
    code = (
        "import sys; from cfdns_fast.cli.app import _cli;"
        "_cli.main(['--help'], standalone_mode=False);"
        "sys.exit(any(name in sys.modules for name in ('tornado', 'sqlite3', 'cfdns_fast.receiver', 'xxhash')))"
    )
    run = subprocess.run([sys.executable, "-c", code], env=cli.environment, capture_output=True, check=False)
    assert run.returncode == 0 and all(name in run.stdout for name in (b"convert", b"receive", b"spool", b"job"))


@pytest.mark.parametrize(
    ("library", "arguments"),
    [
        ("tornado", ("receive", "--state", "s", "--sink", "-", "--allow-no-key")),
        ("xxhash", ("receive", "--state", "s", "--sink", "-", "--allow-no-key")),
        ("xxhash", ("spool", "ls", "--state", "s")),
    ],
)
def test_missing_library_is_one_sentence(cli: Cli, library: str, arguments: tuple[str, ...]) -> None:
    (cli.directory / f"{library}.py").write_text(f"raise ModuleNotFoundError('no', name='{library}')\n")
    pytest.importorskip("tornado", reason="the extra receiver is not installed")
    environment = {"PYTHONPATH": os.pathsep.join([str(cli.directory), cli.environment["PYTHONPATH"]])}
    run = cli(*arguments, env=environment)
    assert run.code == 2 and "pip install 'cfdns-fast[receiver]'" in run.errors and len(run.lines) == 1


def check(*arguments: str) -> tuple[int, list[str]]:
    pytest.importorskip("tornado", reason="the extra receiver is not installed")
    from cfdns_fast.receiver.check import check_settings

    lines: list[str] = []
    return check_settings(settings("--state", "state", *arguments), lines.append), lines


def test_check_says_a_line_for_each_part(cli: Cli) -> None:
    pytest.importorskip("tornado", reason="the extra receiver is not installed")
    cli.write("keys", f"a = {KEY}\n".encode()).chmod(0o600)
    sink = f"out=file://{cli.directory}/out/"
    run = cli("receive", "--check", "--state", "state", "--keys", "keys", "--sink", sink)
    assert run.code == 0 and not run.errors
    lines = run.output.decode().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["configuration", "listen", "keys", "tls", "state", "sink out"]
    assert KEY not in run.output.decode()
    assert "state: ok, state will be created" in lines
    assert sorted(path.name for path in cli.directory.iterdir()) == ["keys"], "a check changes nothing"


def test_check_warns_of_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys").write_text(f"a = {KEY}\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        code, lines = check("--keys", "keys", "--sink", "-", "--listen", listen)
    assert code == 0 and f"listen: warning: cannot listen on {listen}: the port is taken by another process" in lines
    code, lines = check("--keys", "keys", "--sink", "-", "--listen", "0.0.0.0:0")
    assert code == 0 and any("listen: warning: keys and records cross the network to 0.0.0.0" in each for each in lines)
    _, lines = check("--keys", "keys", "--sink", "-", "--listen", "127.0.0.1:0")
    assert not any("listen: warning" in each for each in lines)


def test_check_names_a_folder_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").write_text("content")
    code, lines = check("--allow-no-key", "--sink", "-")
    assert code == 2 and f"state: {tmp_path}/state: it is not a folder" in lines


def test_check_names_a_target_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("content")
    url = f"file://{tmp_path}/file/below/{{date}}/"
    code, lines = check("--allow-no-key", "--sink", f"out={url}")
    assert code == 2 and f"sink out: {url}: {tmp_path}/file is not a folder" in lines
    (tmp_path / "closed").mkdir()
    # As for another user, or on a file system that is mounted for reading only; the tests may run as root.
    can = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: can(path, mode) and not str(path).endswith("closed"))
    code, lines = check("--allow-no-key", "--sink", f"out=file://{tmp_path}/closed/new/")
    assert code == 2
    assert f"sink out: file://{tmp_path}/closed/new/: {tmp_path}/closed: this user may not write there" in lines


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (("--keys", "absent", "--sink", "-"), "keys: "),
        (("--allow-no-key", "--sink", "out=gopher://x/"), "sink out: "),
        (("--allow-no-key", "--sink", "out=-", "--schema", "absent.toml"), "sink out: "),
        (("--allow-no-key", "--sink", "-", "--tls-cert", "absent", "--tls-key", "absent"), "tls: "),
    ],
)
def test_check_fails_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], start: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, lines = check(*arguments)
    assert code == 2
    (line,) = [line for line in lines if line.startswith(start)]
    assert "ok" not in line


def test_check_names_sinks_without_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state" / "sinks").mkdir(parents=True)
    (tmp_path / "state" / "sinks" / "old.json").write_text('{"after": 1, "pending": null}')
    code, lines = check("--allow-no-key", "--sink", "-")
    assert code == 0 and "state: warning: sink old has a position and is not configured" in lines


def test_settings_that_exclude_each_other(cli: Cli) -> None:
    run = cli("receive", "--state", "s", "--sink", "-")
    assert run.code == 2 and len(run.lines) == 1 and "keys" in run.errors
