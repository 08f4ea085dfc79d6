"""Cloudflare DNS logs to Elastic Common Schema events, fast and without loss.

`parse` converts one record, a `Normalizer` batches, `split_domain` one name. Errors are subclasses of `CfdnsError`.
"""

from importlib.metadata import version as _version

from .errors import CfdnsError, EngineError, MappingError, RecordError
from .normalizer import Normalizer, parse
from .results import Reject, Result
from .suffixes import DomainParts, split_domain

__all__ = [
    "CfdnsError",
    "DomainParts",
    "EngineError",
    "MappingError",
    "Normalizer",
    "RecordError",
    "Reject",
    "Result",
    "parse",
    "split_domain",
]

__version__ = _version("cfdns-fast")
