"""Run a task in child processes, because an earlier attempt may have ended the process.

If the child ends too, each input is read alone, without outputs: one whose reading ends its child is poison. Then the
task runs without these.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from .errors import FilesError
from .tasks import Task, TaskReport

__all__ = ["Isolated", "memory_limit_bytes", "run_isolated"]

#: How often the caller's wish to end is looked at.
_POLL_S = 0.2
_MIN_LIMIT_BYTES = 512 << 20
#: The memory limit of a container, by the version of control groups.
_LIMIT_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class Isolated:
    """What a child process gets. It can be pickled.

    Attributes
    ----------
    task : Task
    source, settings : Store, Settings
    poison : frozenset of str
        Keys that are not read.
    writes : bool
        False only reads the inputs.
    had_record : bool
        As in `TaskRun`.
    memory_bytes : int
        The limit of the child's memory; 0 for none.
    """

    task: Task
    source: Any
    settings: Any
    poison: frozenset[str] = frozenset()
    writes: bool = True
    had_record: bool = False
    memory_bytes: int = 0


def run_isolated(isolated: Isolated, given_up: Callable[[], bool]) -> TaskReport:
    """Run a task in child processes, and return its report.

    Raises
    ------
    StoreError
        A store failed.
    FilesError
        ``task.killed``: the process ends also without the inputs that end it alone.
    GivenUp
        The caller ended the run.
    """
    report = _call(isolated, given_up)
    if report is not None:
        return report
    task = isolated.task
    poison = set()
    for each in task.inputs:
        alone = replace(task, inputs=(each,))
        if _call(replace(isolated, task=alone, writes=False), given_up) is None:
            poison.add(each.key)
    report = _call(replace(isolated, poison=frozenset(poison)), given_up)
    if report is None:
        raise FilesError("task.killed", f"task {task.id}: converting it ends the process")
    return report


def memory_limit_bytes() -> int:
    """Return half of the memory that this process may use, as the limit of a child."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    for path in _LIMIT_FILES:
        try:
            with open(path, encoding="ascii") as file:
                total = min(total, int(file.read()))
        except (OSError, ValueError):
            continue
    return max(total // 2, _MIN_LIMIT_BYTES)


def _call(isolated: Isolated, given_up: Callable[[], bool]) -> TaskReport | None:
    """Run a child, and return its report; None if it ended without one."""
    from .task_run import GivenUp

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    # Not a fork: locks of other threads and the runtime of obstore would not survive it. Not multiprocessing, whose
    # spawned processes import the caller's main module again.
    command = [sys.executable, "-c", "from cfdns_fast.files.isolation import main; main()"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    with child:
        data: bytes | None = pickle.dumps(isolated)
        try:
            while True:
                try:
                    answer, _ = child.communicate(data, timeout=_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    data = None
                    if given_up():
                        raise GivenUp from None
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        return None
    result = pickle.loads(answer)
    if isinstance(result, BaseException):
        raise result
    assert isinstance(result, TaskReport)
    return result


def main() -> None:
    """Run what the standard input holds, and write the report, or an error that is not of the inputs, to the output."""
    from .inputs_ahead import Fetcher
    from .task_run import TaskRun

    # What libraries print must not stand between the bytes of the answer.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    isolated: Isolated = pickle.load(sys.stdin.buffer)
    _limit_memory(isolated.memory_bytes)
    result: TaskReport | FilesError
    try:
        with Fetcher(0) as fetcher:
            run = TaskRun(
                isolated.task,
                isolated.source,
                isolated.settings,
                fetcher,
                poison=isolated.poison,
                had_record=isolated.had_record,
            )
            result = run.run() if isolated.writes else run.try_reading()
    except FilesError as error:
        result = error
    # The caller may have been killed meanwhile.
    with suppress(BrokenPipeError), answer:
        answer.write(pickle.dumps(result))


def _limit_memory(size_bytes: int) -> None:
    if not size_bytes or sys.platform == "win32":
        return
    import resource

    # Not RLIMIT_AS: allocators reserve far more addresses than they use.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = size_bytes if hard == resource.RLIM_INFINITY else min(size_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
