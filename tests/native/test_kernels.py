"""Every simdjson kernel of this machine, and a Python that checks its memory, give the same bytes."""

from __future__ import annotations

import subprocess

import pytest
from golden import INPUTS
from support.processes import run_python

from cfdns_fast import Normalizer
from cfdns_fast._core import active_kernel, available_kernels

KERNELS = ["fallback", "westmere", "haswell", "icelake", "arm64"]
FORCE = "SIMDJSON_FORCE_IMPLEMENTATION"

#: Prints the active kernel and a digest of the results of the golden inputs, each alone and all in one batch.
DIGEST = """
import hashlib
from golden import INPUTS
from cfdns_fast import Normalizer
from cfdns_fast._core import active_kernel
normalizer, digest = Normalizer(), hashlib.sha256()
for data in (*INPUTS, b"\\n".join(INPUTS)):
    digest.update(repr(normalizer.to_ndjson(data)).encode())
    digest.update(repr(normalizer.to_dicts(data)).encode())
print(active_kernel(), digest.hexdigest())
"""


def run_kernel(code: str, kernel: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code with a forced kernel, or with the default one."""
    return run_python(code, **{FORCE: kernel}, **environment)


@pytest.fixture(scope="module")
def default_digest() -> tuple[str, str]:
    """Return the default kernel and its digest."""
    done = run_kernel(DIGEST)
    assert (done.returncode, done.stderr) == (0, "")
    kernel, digest = done.stdout.split()
    return kernel, digest


def test_default_kernel_is_available(default_digest: tuple[str, str]) -> None:
    assert default_digest[0] in available_kernels()
    assert active_kernel() in available_kernels()
    assert "fallback" in available_kernels()


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_gives_the_same_bytes(kernel: str, default_digest: tuple[str, str]) -> None:
    if kernel not in available_kernels():
        pytest.skip(f"this machine has no {kernel}")
    done = run_kernel(DIGEST, kernel)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [kernel, default_digest[1]]


@pytest.mark.parametrize("kernel", ["nonsense", "Haswell", "builtin", *KERNELS])
def test_unavailable_kernel_raises_engine_error(kernel: str) -> None:
    if kernel in available_kernels():
        pytest.skip(f"{kernel} can run here")
    code = """
import cfdns_fast
from cfdns_fast import Normalizer
for call in (
    cfdns_fast.parse,
    lambda data: Normalizer().to_ndjson(data),
    lambda data: Normalizer().to_dicts(data),
    lambda data: list(Normalizer().iter_dicts(data)),
):
    try:
        print(call(b"{}"))
    except cfdns_fast.EngineError:
        print("EngineError")
"""
    done = run_kernel(code, kernel)
    assert (done.returncode, done.stdout, done.stderr) == (0, "EngineError\n" * 4, "")


# A CPU without these vectors uses the next smaller ones. The quick run has a test of each in test_simd.py.
@pytest.mark.slow
@pytest.mark.parametrize("vectors", ["vbmi2", "ssse3", "plain"])
def test_every_vector_width_gives_the_same_bytes(vectors: str, default_digest: tuple[str, str]) -> None:
    done = run_kernel(DIGEST, CFDNS_SIMD=vectors)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == list(default_digest)


def test_debug_allocator_gives_the_same_bytes(default_digest: tuple[str, str]) -> None:
    done = run_kernel(DIGEST, PYTHONMALLOC="debug", PYTHONDEVMODE="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == list(default_digest)


def test_digest_inputs_give_events_and_rejects() -> None:
    result = Normalizer().to_ndjson(b"\n".join(INPUTS))
    assert result.events > 500 and len(result.rejects) > 300
