"""Read the rules of the Public Suffix List that the installed tldextract bundles.

The file of tldextract is read without importing tldextract, whose import took 0.17 s and 25 MB (2026-11-30) because it
imports an HTTP client. If the file has an unknown layout, tldextract is imported and reads it.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

__all__ = ["suffix_rules"]

_FILE_NAME = ".tld_set_snapshot"
_MARKERS = [
    "// ===BEGIN ICANN DOMAINS===",
    "// ===END ICANN DOMAINS===",
    "// ===BEGIN PRIVATE DOMAINS===",
    "// ===END PRIVATE DOMAINS===",
]

#: Minimum numbers of rules in the sections of the list. A file with fewer rules is truncated or another file.
_MIN_ICANN_RULES = 5_000
_MIN_PRIVATE_RULES = 1_000

_RULES = re.compile(r"(?:(?:!|\*\.)?\w[^\s*!/]*\n)*+")


def suffix_rules(private_suffixes: bool) -> frozenset[str]:
    """Return the rules as written in the list: ``co.uk``, ``*.ck``, ``!www.ck``.

    Parameters
    ----------
    private_suffixes : bool
        True for the ICANN and PRIVATE (``github.io``) sections of the list, False for the ICANN section.
    """
    text = _read_snapshot()
    sections = None if text is None else _parse_snapshot(text)
    if sections is None:
        return _rules_of_tldextract(private_suffixes)
    icann, private = sections
    return frozenset(icann + private if private_suffixes else icann)


def _read_snapshot() -> str | None:
    """Return the text of the list; None if its file cannot be found or read."""
    try:
        spec = find_spec("tldextract")
    except ValueError:
        # sys.modules has a module tldextract without a spec.
        return None
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            with open(os.path.join(folder, _FILE_NAME), encoding="utf-8", newline="") as file:
                return file.read()
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _parse_snapshot(text: str) -> tuple[list[str], list[str]] | None:
    """Return the rules of the ICANN and the PRIVATE section; None if the layout is unknown."""
    # Each process reads the list, so its lines are filtered and matched together: that takes half the time.
    lines = [line for line in text.split("\n") if line and (line[:2] != "//" or line[:6] == "// ===")]
    places = [index for index, line in enumerate(lines) if line[0] == "/"]
    if [lines[index] for index in places] != _MARKERS:
        return None
    begin_icann, end_icann, begin_private, end_private = places
    if (begin_icann, begin_private, end_private) != (0, end_icann + 1, len(lines) - 1):
        return None  # a line outside the sections
    icann, private = lines[1:end_icann], lines[begin_private + 1 : -1]
    if len(icann) < _MIN_ICANN_RULES or len(private) < _MIN_PRIVATE_RULES:
        return None
    return (icann, private) if _RULES.fullmatch("\n".join((*icann, *private, ""))) else None


def _rules_of_tldextract(private_suffixes: bool) -> frozenset[str]:
    import tldextract

    # Without URLs and a cache folder, tldextract reads its bundled list and does not use the network.
    extractor = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=private_suffixes)
    return frozenset(extractor.tlds)
