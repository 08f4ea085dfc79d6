"""Split a name by the Public Suffix List, in plain Python.

The rules are those of the Public Suffix List (https://publicsuffix.org/list/) as the installed tldextract bundles
them; nothing is ever downloaded. How they are read is tldextract 5.4's way, not the list's own text: there is no
implicit rule ``*``, so a name under an unknown top-level label has no suffix at all.

Importing this module reads no rules: they are read when the first name is split, or the first plan that splits names
is compiled.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

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

#: RFC 1035 section 2.3.4. No rule has a longer label, so a longer one need not be decoded to know that it matches none.
_LABEL_LIMIT_OCTETS = 63

#: An escape takes the next character with it (RFC 1035 section 5.1), so an escaped dot is part of its label.
_LABEL_PIECE = re.compile(r"\\.|\.|[^\\.]+|\\", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DomainParts:
    """The parts of a name; a part that the name does not have is None.

    Attributes
    ----------
    registered_domain : str or None
        The public suffix and the label before it (``example.co.uk``).
    top_level_domain : str or None
        The public suffix (``co.uk``); ECS calls it ``dns.question.top_level_domain``.
    subdomain : str or None
        What stands before the registered domain (``www``).
    """

    registered_domain: str | None
    top_level_domain: str | None
    subdomain: str | None


@dataclass(frozen=True, slots=True)
class RuleTrie:
    """Suffix rules, label by label from the right.

    Attributes
    ----------
    edges : Mapping[(int, str), int]
        (node, label) -> the node below it. Node 0 is the root. Labels are as the list writes them: U-labels in lower
        case; ``*`` and ``!name`` are labels like any other.
    ends : frozenset of int
        The nodes at which a rule ends.
    """

    edges: Mapping[tuple[int, str], int]
    ends: frozenset[int]

    @property
    def node_count(self) -> int:
        """How many nodes there are, the root included: every other node has exactly one edge leading to it."""
        return len(self.edges) + 1


@lru_cache(maxsize=2)
def rule_trie(private_suffixes: bool) -> RuleTrie:
    """Return tldextract's bundled rules.

    Parameters
    ----------
    private_suffixes : bool
        True: the list's PRIVATE section too (``github.io``); False: its ICANN section only.
    """
    edges: dict[tuple[int, str], int] = {}
    ends = set()
    # Sorted, so that nodes have the same numbers in every process.
    for labels in sorted(rule.split(".")[::-1] for rule in suffix_rules(private_suffixes)):
        node = _ROOT
        for label in labels:
            node = edges.setdefault((node, label), len(edges) + 1)
        ends.add(node)
    return RuleTrie(edges, frozenset(ends))


def split_labels(name: str) -> list[str]:
    r"""Split a name at its unescaped dots (U+002E only; U+3002, U+FF0E and U+FF61 are ordinary characters).

    Nothing is unescaped or stripped: joining the labels with dots gives the name back, and ``a..b`` has an empty label.

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
    """Say whether `text` is an IPv4 address (no leading zeros) or an IPv6 address without a zone id.

    `ipaddress` decides; it takes zone ids (RFC 4007 section 11), which mean nothing away from the host they are from.
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
        A name in presentation form (RFC 1035 section 5.1), as Cloudflare's ``QueryName``; ``\.`` is an escaped dot. All
        leading and trailing dots are stripped first. It is never read as a URL.
    private_suffixes : bool, default False
        True: rules of the list's PRIVATE section count too (``github.io`` is then a suffix).

    Returns
    -------
    DomainParts
        Parts as written in `name`, case and encoding kept. An IPv4 or IPv6 literal and a single unknown label have no
        parts, a bare suffix has `top_level_domain` only, a name without a known suffix has `subdomain` only: all its
        labels but the last.

    Raises
    ------
    TypeError
        `name` is not a str.

    Notes
    -----
    Labels match rules in Unicode lower case, A-labels (``xn--``) by the U-label they stand for (RFC 5891). The
    algorithm is that of https://github.com/publicsuffix/list/wiki/Format as tldextract 5.4 carries it out: a wildcard
    is taken as soon as no literal label matches, and the implicit rule ``*`` is left out. May be called from any
    thread.

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
    """Return where the public suffix begins in `labels`; their number if it is not known."""
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
    """Return a label as the rules write it: lower case, an A-label decoded if it is a valid one."""
    label = label.lower()
    if label.startswith("xn--") and len(label) <= _LABEL_LIMIT_OCTETS:
        import idna

        try:
            return idna.decode(label)
        # IndexError: idna on some malformed labels. Such a label stays as it is, and no rule is written like that.
        except (UnicodeError, IndexError):
            pass
    return label
