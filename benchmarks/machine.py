"""Facts about the machine and the software of a run."""

from __future__ import annotations

import os
import platform
import subprocess
import sysconfig
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("cfdns-fast", "orjson", "msgspec", "pysimdjson", "chdb", "duckdb", "polars", "tldextract", "pyarrow")


#: The CPUs that the process may use at its start; empty if the system does not have them.
CPUS: frozenset[int] = frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ())


def _cpuinfo(key: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def has_vbmi2() -> bool:
    """Return whether the CPU has AVX-512 VBMI2; False if it is unknown."""
    return "avx512_vbmi2" in _cpuinfo("flags").split()


def pin(cpu: str) -> str:
    """Pin this process and the threads that it starts to one CPU. Returns the CPU, or why it is not pinned.

    Engines start further threads even when they are limited to one, so one CPU makes the ratios fair.

    Parameters
    ----------
    cpu : str
        A number, "auto" for the last CPU that the process may use, or "none".

    Raises
    ------
    ValueError
        `cpu` is not a number, or the process may not use that CPU.
    """
    if cpu == "none":
        return "not pinned"
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned (not possible on this system)"
    allowed = os.sched_getaffinity(0)
    chosen = max(allowed) if cpu == "auto" else int(cpu)
    if chosen not in allowed:
        raise ValueError(f"CPU {chosen} is not one of the CPUs that this process may use: {sorted(allowed)}")
    os.sched_setaffinity(0, {chosen})
    return f"CPU {chosen}"


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _kernel() -> str | None:
    try:
        from cfdns_fast import _core
    except ImportError:
        return None
    name = getattr(_core, "active_kernel", lambda: None)()
    return name.decode() if isinstance(name, bytes) else name


def load_average() -> list[float] | None:
    """Return the load averages of the system; None if it has none."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _python() -> str:
    built = sysconfig.get_config_var("CONFIG_ARGS") or ""
    profiled = " with --enable-optimizations" if "--enable-optimizations" in built else ""
    return f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}{profiled}"


def facts() -> dict[str, Any]:
    """Return the facts by which a reader can judge a result."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "avx512_vbmi2": has_vbmi2(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": _python(),
        "kernel": _kernel(),
        "versions": {library: _version(library) for library in LIBRARIES},
        "load_before": load_average(),
    }
