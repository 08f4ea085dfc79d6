"""The rules of the Public Suffix List that the installed tldextract bundles.

The list is read from tldextract's file, and tldextract is not imported: its import takes 0.17 s and 25 MB, because it
imports an HTTP client for downloads that never happen here. A file of another layout than the known one is left to
tldextract itself.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

__all__ = ["suffix_rules"]

_FILE_NAME = ".tld_set_snapshot"
_BEGIN_ICANN, _END_ICANN, _BEGIN_PRIVATE, _END_PRIVATE = _MARKERS = (
    "// ===BEGIN ICANN DOMAINS===",
    "// ===END ICANN DOMAINS===",
    "// ===BEGIN PRIVATE DOMAINS===",
    "// ===END PRIVATE DOMAINS===",
)

#: The list has had more rules than this in either section for years; a file with fewer is cut or something else.
_MIN_ICANN_RULES = 5_000
_MIN_PRIVATE_RULES = 1_000

_RULE = r"(?:!|\*\.)?\w[^\s*!/]*$"
_RULES = re.compile(rf"^{_RULE}", re.MULTILINE)
#: The start of a line that is no comment, no rule and not empty.
_UNEXPECTED_LINE = re.compile(rf"^(?!//|$|{_RULE})", re.MULTILINE)


def suffix_rules(private_suffixes: bool) -> frozenset[str]:
    """Return the rules as the list writes them: ``co.uk``, ``*.ck``, ``!www.ck``.

    Parameters
    ----------
    private_suffixes : bool
        True: the rules of the list's PRIVATE section too (``github.io``). False: those of its ICANN section only.
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
        # A module of that name is in sys.modules and has no spec.
        return None
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            with open(os.path.join(folder, _FILE_NAME), encoding="utf-8", newline="") as file:
                return file.read()
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _parse_snapshot(text: str) -> tuple[list[str], list[str]] | None:
    """Return the rules of the ICANN and the PRIVATE section; None if the layout is not exactly the known one."""
    markers = re.findall(r"^// ===.*", text, re.MULTILINE)
    if tuple(markers) != _MARKERS or _UNEXPECTED_LINE.search(text):
        return None
    before, _, rest = text.partition(_BEGIN_ICANN)
    icann_text, _, rest = rest.partition(_END_ICANN)
    between, _, rest = rest.partition(_BEGIN_PRIVATE)
    private_text, _, after = rest.partition(_END_PRIVATE)
    if any(_RULES.search(outside) for outside in (before, between, after)):
        return None
    icann, private = _RULES.findall(icann_text), _RULES.findall(private_text)
    if len(icann) < _MIN_ICANN_RULES or len(private) < _MIN_PRIVATE_RULES:
        return None
    return icann, private


def _rules_of_tldextract(private_suffixes: bool) -> frozenset[str]:
    import tldextract

    # Without a URL and a cache directory, tldextract takes the list it bundles and never accesses the network.
    extractor = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=private_suffixes)
    return frozenset(extractor.tlds)
