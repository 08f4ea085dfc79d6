"""A parser of the part of Logstash's pipeline language that the documentation uses: plugins, but no conditions."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["parse"]

_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>=>|[{}\[\],])|(?P<word>[\w.@-]+))')


def parse(text: str) -> dict[str, list[dict[str, Any]]]:
    """Return the plugins of each section: the name of the plugin, and its settings.

    ValueError if the text is not a pipeline.
    """
    tokens = _tokens(text)
    sections: dict[str, list[dict[str, Any]]] = {}
    while tokens:
        section = tokens.pop(0)
        if section not in ("input", "filter", "output") or section in sections:
            raise ValueError(f"a section is input, filter or output, not {section}")
        _take(tokens, "{")
        sections[section] = []
        while tokens[:1] != ["}"]:
            plugin = _word(tokens)
            sections[section].append({plugin: _settings(tokens)})
        _take(tokens, "}")
    return sections


def _tokens(text: str) -> list[str]:
    found, position = [], 0
    while position < len(text.rstrip()):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"not a token: {text[position : position + 20]!r}")
        found.append(token[0].strip())
        position = token.end()
    return found


def _take(tokens: list[str], wanted: str) -> None:
    if not tokens or tokens[0] != wanted:
        raise ValueError(f"{wanted} is missing before {tokens[:3]}")
    tokens.pop(0)


def _word(tokens: list[str]) -> str:
    if not tokens or not re.fullmatch(r'\w[\w.@-]*|".*"', tokens[0]):
        raise ValueError(f"a name is missing before {tokens[:3]}")
    return tokens.pop(0).strip('"')


def _settings(tokens: list[str]) -> dict[str, Any]:
    """Return ``{ name => value … }``."""
    _take(tokens, "{")
    settings: dict[str, Any] = {}
    while tokens[:1] != ["}"]:
        name = _word(tokens)
        _take(tokens, "=>")
        settings[name] = _value(tokens)
    _take(tokens, "}")
    return settings


def _value(tokens: list[str]) -> Any:
    if tokens[:1] == ["{"]:
        return _settings(tokens)
    if tokens[:1] != ["["]:
        return _word(tokens)
    _take(tokens, "[")
    values = [_value(tokens)]
    while tokens[:1] == [","]:
        _take(tokens, ",")
        values.append(_value(tokens))
    _take(tokens, "]")
    return values
