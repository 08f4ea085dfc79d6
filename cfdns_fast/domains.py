"""Split a name by the Public Suffix List, in plain Python.

The rules are those of the Public Suffix List (https://publicsuffix.org/list/) that the installed tldextract bundles; no
list is downloaded. They apply as in tldextract 5.4: there is no implicit rule ``*``, so a name under an unknown
top-level label has no suffix.

The rules are read when the first name is split or the first plan that splits names is compiled, not at import.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .suffix_list import suffix_rules

__all__ = [
    "DomainParts",
    "RuleTrie",
    "is_ip_literal",
    "rule_trie",
    "split_domain",
    "split_labels",
]

_ROOT = 0

#: Maximum size of a label (RFC 1035 section 2.3.4). A longer label matches no rule and is not decoded.
_LABEL_LIMIT_OCTETS = 63

#: A backslash escapes the next character (RFC 1035 section 5.1), so an escaped dot is part of its label.
_LABEL_PIECE = re.compile(r"\\.|\.|[^\\.]+|\\", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DomainParts:
    """The parts of a name. A part that the name does not have is None.

    Attributes
    ----------
    registered_domain : str or None
        The public suffix and the label before it (``example.co.uk``).
    top_level_domain : str or None
        The public suffix (``co.uk``), which is ``dns.question.top_level_domain`` in ECS.
    subdomain : str or None
        The labels before the registered domain (``www``).
    """

    registered_domain: str | None
    top_level_domain: str | None
    subdomain: str | None


class RuleTrie(NamedTuple):
    """Suffix rules as a trie of their labels, from right to left. It is immutable.

    Attributes
    ----------
    edges : Mapping[(int, str), int]
        (node, label) -> child node. Node 0 is the root. Labels are written as in the list: U-labels in lower case,
        ``*`` and ``!name``.
    ends : frozenset of int
        The nodes at which a rule ends.
    """

    edges: Mapping[tuple[int, str], int]
    ends: frozenset[int]

    @property
    def node_count(self) -> int:
        """The number of nodes. Every node except the root has one edge to it."""
        return len(self.edges) + 1


@lru_cache(maxsize=2)
def rule_trie(private_suffixes: bool) -> RuleTrie:
    """Return the rules that tldextract bundles; they are read once per process.

    Parameters
    ----------
    private_suffixes : bool
        True for the ICANN and PRIVATE (``github.io``) sections of the list, False for the ICANN section.
    """
    edges: dict[tuple[int, str], int] = {}
    ends = set()
    # Sorted, so that a node has the same number in every process.
    for rule in sorted(suffix_rules(private_suffixes)):
        node = _ROOT
        for label in reversed(rule.split(".")):
            node = edges.setdefault((node, label), len(edges) + 1)
        ends.add(node)
    return RuleTrie(edges, frozenset(ends))


def split_labels(name: str) -> list[str]:
    r"""Split a name at its unescaped dots (U+002E only; U+3002, U+FF0E and U+FF61 are ordinary characters).

    Labels are not unescaped, and empty labels are kept: the labels joined with dots are the name.

    Examples
    --------
    >>> split_labels(r"a\.b.example")
    ['a\\.b', 'example']
    """
    labels: list[list[str]] = [[]]
    for piece in _LABEL_PIECE.findall(name):
        if piece == ".":
            labels.append([])
        else:
            labels[-1].append(piece)
    return ["".join(pieces) for pieces in labels]


def is_ip_literal(text: str) -> bool:
    """Return whether `text` is an IPv4 address (without leading zeros) or an IPv6 address without a zone id.

    Zone ids (RFC 4007 section 11), which `ipaddress` accepts, are valid on their own host only.
    """
    if "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def split_domain(name: str, *, private_suffixes: bool = False) -> DomainParts:
    r"""Split a DNS name into registered domain, public suffix and subdomain.

    Parameters
    ----------
    name : str
        A name in presentation form (RFC 1035 section 5.1), as in Cloudflare's ``QueryName``; ``\.`` is an escaped dot.
        Leading and trailing dots are ignored. It is never read as a URL.
    private_suffixes : bool, default False
        True to apply the PRIVATE section of the list too, in which ``github.io`` is a suffix.

    Returns
    -------
    DomainParts
        The parts as written in `name`, with their case and encoding. An IPv4 or IPv6 literal and a single unknown label
        have no parts. A suffix alone has `top_level_domain` only. A name without a known suffix has `subdomain` only,
        which is all labels except the last.

    Raises
    ------
    TypeError
        `name` is not a str.

    Notes
    -----
    May be called from any thread. Labels match rules in Unicode lower case, and A-labels (``xn--``) by their U-labels
    (RFC 5891). The algorithm is that of https://github.com/publicsuffix/list/wiki/Format as implemented in tldextract
    5.4: a wildcard matches if no literal label does, and there is no implicit rule ``*``.

    Examples
    --------
    >>> split_domain("www.example.co.uk.")
    DomainParts(registered_domain='example.co.uk', top_level_domain='co.uk', subdomain='www')
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be str, not {type(name).__name__}")
    name = name.strip(".")
    if is_ip_literal(name):
        return DomainParts(None, None, None)
    labels = split_labels(name)
    suffix = _suffix_index(labels, rule_trie(bool(private_suffixes)))
    has_registered_domain = 0 < suffix < len(labels) and labels[suffix - 1] != ""
    return DomainParts(
        registered_domain=".".join(labels[suffix - 1 :]) if has_registered_domain else None,
        top_level_domain=".".join(labels[suffix:]) or None,
        subdomain=".".join(labels[: max(suffix - 1, 0)]) or None,
    )


def _suffix_index(labels: list[str], rules: RuleTrie) -> int:
    """Return the index of the first label of the public suffix; the number of labels if no rule matches."""
    node, suffix = _ROOT, len(labels)
    for index in reversed(range(len(labels))):
        label = _rule_form(labels[index])
        if (node, label) in rules.edges:
            node = rules.edges[node, label]
            if node in rules.ends:
                suffix = index
        elif (node, "*") in rules.edges:
            is_exception = (node, "!" + label) in rules.edges
            return index + 1 if is_exception else index
        else:
            break
    return suffix


def _rule_form(label: str) -> str:
    """Return a label as it is written in rules: in lower case, and a valid A-label decoded."""
    label = label.lower()
    if label.startswith("xn--") and len(label) <= _LABEL_LIMIT_OCTETS:
        import idna

        try:
            return idna.decode(label)
        # idna raises IndexError for some malformed labels. A label that is not decoded matches no rule.
        except (UnicodeError, IndexError):
            pass
    return label
