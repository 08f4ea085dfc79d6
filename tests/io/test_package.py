from __future__ import annotations

import subprocess
import sys

import pytest

from cfdns_fast import io


@pytest.mark.parametrize("name", io.__all__)
def test_io_has_each_of_its_names(name: str) -> None:
    assert getattr(io, name) is not None
    assert name in dir(io)


def test_io_has_no_other_name() -> None:
    assert sorted(io.__all__) == sorted(name for names in io._MODULES.values() for name in names)
    with pytest.raises(AttributeError, match=r"module 'cfdns_fast\.io' has no attribute 'unknown'"):
        getattr(io, "unknown")  # noqa: B009


def test_io_imports_a_module_at_first_use() -> None:
    code = "import sys; from cfdns_fast.io import PathError; sys.exit('cfdns_fast.io.inputs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
