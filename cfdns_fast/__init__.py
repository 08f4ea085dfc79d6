"""Cloudflare DNS logs to Elastic Common Schema events, fast and without loss.

`parse` converts one record, a `Normalizer` batches, `split_domain` one name. Errors are subclasses of `CfdnsError`.
"""

from typing import TYPE_CHECKING

from ._core import Rejects
from .errors import CfdnsError, EngineError, InputFormatError, MappingError, RecordError
from .normalizer import Normalizer, parse
from .results import Reject, Result
from .suffixes import DomainParts, split_domain

__all__ = [
    "CfdnsError",
    "DomainParts",
    "EngineError",
    "InputFormatError",
    "MappingError",
    "Normalizer",
    "RecordError",
    "Reject",
    "Rejects",
    "Result",
    "parse",
    "split_domain",
]


if TYPE_CHECKING:
    # To a type checker, a function for attributes means that a module has every attribute.
    __version__: str
else:

    def __getattr__(name):
        if name == "__version__":
            # Reading the installed metadata costs 50 ms, half of importing the package.
            from importlib.metadata import version

            return version("cfdns-fast")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
