"""pyarrow, or an error that says how to install it; and arrays of Python's objects.

`pyarrow.array` and `pyarrow.scalar` import pandas if it is installed, which takes longer than a small inspection.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable
from typing import Any

try:
    import pyarrow
    import pyarrow.compute as compute
except ImportError as error:
    raise ImportError("inspect needs pyarrow: pip install 'cfdns-fast[inspect]'", name="pyarrow") from error

# After pyarrow, because this module would name another extra.
from ..files.schema import floor_divided

__all__ = ["compute", "floor_divided", "pyarrow", "text_array", "whole", "whole_array"]


def whole_array(numbers: Iterable[int]) -> Any:
    """Return an array of 64-bit integers."""
    content = array("q", numbers)
    return pyarrow.Array.from_buffers(pyarrow.int64(), len(content), [None, pyarrow.py_buffer(content)])


def whole(number: int) -> Any:
    """Return a scalar, a 64-bit integer."""
    return whole_array((number,))[0]


def text_array(texts: Iterable[str]) -> Any:
    """Return an array of texts of less than 2 GiB."""
    encoded = [text.encode("utf-8") for text in texts]
    ends = array("i", itertools.accumulate(map(len, encoded), initial=0))
    buffers = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(encoded))]
    return pyarrow.Array.from_buffers(pyarrow.string(), len(encoded), buffers)
