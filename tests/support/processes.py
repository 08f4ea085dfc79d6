"""Other processes, other threads, and what this process is."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import cfdns_fast

T = TypeVar("T")

U = TypeVar("U")

#: Such a Python has an allocator of its own, which cannot be replaced and keeps what was freed.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

#: The process's size says nothing then, and no other library can take malloc's place.
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")


@contextmanager
def running(function: Callable[[], object]) -> Iterator[None]:
    """Run a function again and again on another thread until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            function()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def run_python(
    code: str, *arguments: str, stdin: Any = None, input: bytes | None = None, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own that finds this package and these modules; None unsets a variable.

    Arguments stand in sys.argv from its second place on; the first is "-c".
    """
    folders = [str(Path(cfdns_fast.__file__).parents[1]), str(Path(__file__).parents[1]), *filter(None, sys.path)]
    wanted = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), **environment}
    env = {name: value for name, value in wanted.items() if value is not None}
    source = {"stdin": stdin} if input is None else {"input": input.decode("utf-8")}
    command = [sys.executable, "-P", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, **source)


def at_once(function: Callable[[T], U], arguments: Sequence[T]) -> list[U]:
    """Call it with each argument, all on threads of their own at the same time."""
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(function, arguments))
