"""Builds the one extension module. Everything else is in pyproject.toml."""

import os
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CORE = "cfdns_fast/_core"
NATIVE = "cfdns_fast/_native"


def simdjson_directory() -> str:
    """Where simdjson.h and simdjson.cpp are: in the pysimdjson wheel, which is located and never imported."""
    override = os.environ.get("CFDNS_SIMDJSON_DIR")
    spec = None if override else find_spec("simdjson")
    candidates = [override] if override else list(spec.submodule_search_locations or ()) if spec else []
    for directory in candidates:
        if all(Path(directory, name).is_file() for name in ("simdjson.h", "simdjson.cpp")):
            return directory
    raise SystemExit(
        "simdjson.h and simdjson.cpp not found: install pysimdjson==7.0.2 or set CFDNS_SIMDJSON_DIR to their directory"
    )


def flag(name: str) -> bool:
    value = os.environ.get(name, "0")
    if value not in ("0", "1"):
        raise SystemExit(f"{name} must be 0 or 1, not {value!r}")
    return value == "1"


if sys.platform == "win32":
    compile_args, link_args = ["/std:c++17", "/O2"], []
else:
    # -g0: debug information would make the module ten times as large. No -march: simdjson and the escaper choose their
    # instructions at run time.
    compile_args = ["-std=c++17", "-O3", "-g0", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-pthread"]
    # Each function begins a cache line. GCC aligns to 16 bytes, so that any change moves the functions of the hot loop
    # within their lines, and the same instructions of NDJSON may then take 4 % longer (measured: GCC 12, Zen 4).
    compile_args += ["-falign-functions=64"]
    # One exported name, so that another simdjson in the process never meets ours: the flags above leave libstdc++'s
    # templates visible.
    link_args = (
        ["-Wl,-exported_symbol,_PyInit_boundary"]
        if sys.platform == "darwin"
        else [f"-Wl,--version-script={CORE}/exports.map"]
    )
    if flag("CFDNS_SANITIZE"):
        sanitizers = "-fsanitize=address,undefined"
        compile_args = [
            "-std=c++17",
            "-O1",
            "-g",
            "-fno-omit-frame-pointer",
            "-fno-sanitize-recover=undefined",
            sanitizers,
        ]
        link_args += [sanitizers]

# One module for CPython 3.12 and all later ones, at the price that docs/wheels.md names.
abi3 = flag("CFDNS_ABI3")
if abi3 and (sys.version_info < (3, 12) or sysconfig.get_config_var("Py_GIL_DISABLED")):
    raise SystemExit("CFDNS_ABI3=1 needs CPython 3.12 or newer, with the GIL")

extension = Extension(
    "cfdns_fast._core.boundary",
    sources=[
        f"{CORE}/boundary.pyx",
        f"{NATIVE}/framing/cursor.cpp",
        f"{NATIVE}/json/indexer.cpp",
        f"{NATIVE}/json/simdjson_unit.cpp",
    ],
    depends=[str(header) for header in Path("cfdns_fast").rglob("*.hpp")],
    include_dirs=[".", NATIVE, simdjson_directory()],
    # simdjson asks for NDEBUG in release builds.
    define_macros=[("NDEBUG", "1"), *([("Py_LIMITED_API", "0x030C0000")] if abi3 else [])],
    py_limited_api=abi3,
    extra_compile_args=compile_args,
    extra_link_args=link_args,
    language="c++",
)

# build_dir keeps the generated C++ out of the package and of the sdist.
setup(
    ext_modules=cythonize([extension], build_dir="build/cython"),
    options={"bdist_wheel": {"py_limited_api": "cp312" if abi3 else False}},
)
