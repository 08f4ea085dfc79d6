"""Helpers that run processes and threads, and facts about this process."""

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

#: A free-threaded Python has its own allocator, which cannot be replaced and keeps freed memory.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

#: With AddressSanitizer the size of the process is meaningless, and no other library can replace malloc.
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")


@contextmanager
def running(function: Callable[[], object]) -> Iterator[None]:
    """Run a function repeatedly on another thread until the block ends."""
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
    """Run code in a new Python that finds this package and the helpers of the tests; None unsets a variable.

    In sys.argv the arguments follow "-c".
    """
    folders = [str(Path(cfdns_fast.__file__).parents[1]), str(Path(__file__).parents[1]), *filter(None, sys.path)]
    wanted = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), **environment}
    env = {name: value for name, value in wanted.items() if value is not None}
    source = {"stdin": stdin} if input is None else {"input": input.decode("utf-8")}
    command = [sys.executable, "-P", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, **source)


def at_once(function: Callable[[T], U], arguments: Sequence[T]) -> list[U]:
    """Call the function with all arguments at the same time, each on its own thread."""
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(function, arguments))
