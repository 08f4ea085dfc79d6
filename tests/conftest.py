"""Fixtures of all tests: both implementations with one interface, and the profiles of hypothesis."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.command import Cli, CliHere
    from support.object_servers import Bucket

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the modules that need hypothesis skip themselves
    pass
else:
    _common: dict[str, Any] = {
        "deadline": None,
        "print_blob": True,
        "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    }
    # CI tries the same examples in every run. .ci/run has a run with the profile ci.
    _derandomize = bool(os.environ.get("CI"))
    settings.register_profile("default", max_examples=14, derandomize=_derandomize, **_common)
    settings.register_profile("ci", max_examples=30, derandomize=_derandomize, **_common)
    settings.register_profile("quick", max_examples=15, derandomize=True, **_common)
    settings.register_profile("long", max_examples=2_000, **_common)
    settings.load_profile(os.environ.get("CFDNS_HYPOTHESIS", "default"))


def pytest_collection_finish() -> None:
    """Exempt the collected tests from garbage collection, because many tests call gc.collect()."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def few_objects_for_the_collector() -> None:
    """Exempt what earlier modules made, caches for the most part, for the same reason."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def bytecode_of_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the processes of the tests share bytecode where PYTHONDONTWRITEBYTECODE forbids it in the tree.

    Otherwise each of some 300 processes compiles the package again, which takes longer than most of these tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("PYTHONDONTWRITEBYTECODE"):
            patch.delenv("PYTHONDONTWRITEBYTECODE")
            patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield


class Native:
    """The compiled core, through the public API."""

    name = "native"

    def __init__(self) -> None:
        self._normalizers: dict[Any, Any] = {}

    def normalizer(self, schema: Any = "sekoia", **options: Any) -> Any:
        """Return a normalizer, the same one for the same bundled schema and options."""
        from cfdns_fast import Normalizer

        if not isinstance(schema, str) or "/" in schema:
            return Normalizer(schema, **options)
        key = repr((schema, *sorted(options.items())))
        if key not in self._normalizers:
            self._normalizers[key] = Normalizer(schema, **options)
        return self._normalizers[key]

    def to_dicts(self, data: Any, schema: Any = "sekoia", **options: Any) -> Any:
        return self.normalizer(schema, **options).to_dicts(data)

    def to_ndjson(self, data: Any, schema: Any = "sekoia", **options: Any) -> Any:
        return self.normalizer(schema, **options).to_ndjson(data)

    def parse(self, data: Any, schema: Any = "sekoia") -> Any:
        from cfdns_fast import parse

        return parse(data, schema)


class Reference:
    """The same conversion in plain Python."""

    name = "reference"

    def to_dicts(self, data: Any, schema: Any = "sekoia", **options: Any) -> Any:
        from cfdns_fast import reference

        return reference.to_dicts(data, schema, **options)

    def to_ndjson(self, data: Any, schema: Any = "sekoia", **options: Any) -> Any:
        from cfdns_fast import reference

        return reference.to_ndjson(data, schema, **options)

    def parse(self, data: Any, schema: Any = "sekoia") -> Any:
        from cfdns_fast import reference

        return reference.parse(data, schema)


_IMPLEMENTATIONS = {each.name: each for each in (Native(), Reference())}


@pytest.fixture(scope="session")
def native() -> Native:
    """Return the compiled core."""
    return _IMPLEMENTATIONS["native"]


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Return the plain Python."""
    return _IMPLEMENTATIONS["reference"]


@pytest.fixture(scope="session", params=list(_IMPLEMENTATIONS))
def implementation(request: pytest.FixtureRequest) -> Any:
    """Return the compiled core, then the plain Python."""
    return _IMPLEMENTATIONS[request.param]


@pytest.fixture
def never_stuck() -> Iterator[None]:
    """Raise TimeoutError after 30 seconds, because opening a FIFO waits for a process that may have failed."""
    if os.name != "posix":
        yield
        return

    def give_up(_number: int, _frame: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Use the default handler of SIGINT, which commands in the background of a script ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def cli(tmp_path: Path, never_stuck: None) -> Iterator[Cli]:
    """Return the command in its own directory, and check that it leaves no temporary file there."""
    from support.command import Cli

    directory = tmp_path / "work"
    directory.mkdir()
    yield Cli(directory)
    assert not list(directory.rglob(".cfdns-fast-*"))


@pytest.fixture
def cli_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[CliHere]:
    """Return the command in this process and its own directory, and check that it leaves no temporary file there."""
    from support.command import CliHere

    monkeypatch.chdir(tmp_path)
    yield CliHere(tmp_path, capfdbinary)
    assert not list(tmp_path.rglob(".cfdns-fast-*"))


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Bucket]:
    """Return a bucket of SeaweedFS, which all tests share: use a prefix of your own, and kill no server."""
    from support.object_servers import seaweed_bucket

    with seaweed_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def moto_store() -> Iterator[Bucket]:
    """Return a bucket of moto, shared as `seaweed` is. moto needs seconds of CPU to start: for slow tests."""
    from support.object_servers import moto_bucket

    with moto_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def rclone_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """Return a bucket of rclone, which ignores conditions, shared as `seaweed` is."""
    from support.object_servers import rclone_bucket

    with rclone_bucket(tmp_path_factory.mktemp("rclone")) as bucket:
        yield bucket


@pytest.fixture(scope="session")
def gcs_store() -> Iterator[Bucket]:
    """Return a bucket of fake-gcs-server, for reading, shared as `seaweed` is."""
    from support.object_servers import fake_gcs

    with fake_gcs() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def azure_store() -> Iterator[Bucket]:
    """Return a container of Azurite, shared as `seaweed` is."""
    from support.object_servers import azurite

    with azurite() as bucket:
        yield bucket
