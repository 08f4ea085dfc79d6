"""A call as curl makes it, for reading and for pasting into a POSIX shell."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from .destination import Destination
from .keys import Secret
from .redact import REDACTED, redacted_destination, redacted_parameters

__all__ = ["curl_command", "request_shown"]

#: Stands for the destination while the body becomes JSON. JSON does not escape it.
_MARK = "@destination@"


def curl_command(
    method: str,
    url: str,
    token: str,
    body: Mapping[str, Any],
    destination: Destination | None,
    *,
    show_secrets: bool = False,
) -> str:
    """Return a command for a shell.

    Parameters
    ----------
    token : str
        How the shell gets the token: ``$CLOUDFLARE_API_TOKEN`` or ``$(cat FILE)``.
    destination : Destination or None
        The destination in the body. Its secrets are expansions that the shell makes, where there is one that yields
        the encoded text, and REDACTED elsewhere, unless `show_secrets`.
    """
    shown = {**body, "destination_conf": _MARK} if "destination_conf" in body else dict(body)
    if "ownership_challenge" in shown and not show_secrets:
        shown["ownership_challenge"] = REDACTED
    before, _, after = json.dumps(shown, indent=2, ensure_ascii=False).partition(_MARK)
    words = [_Word(before)]
    if after:
        words += _destination_words(destination, str(body["destination_conf"]), show_secrets=show_secrets)
        words.append(_Word(after))
    return (
        f"curl -X {method} {shlex.quote(url)} \\\n"
        f'  -H "Authorization: Bearer {token}" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  --data {_quoted(words)}"
    )


def request_shown(
    method: str, url: str, body: Mapping[str, Any], destination: Destination | None, *, show_secrets: bool = False
) -> dict[str, Any]:
    """Return a call as an object of JSON; its header Authorization never holds the token."""
    shown = dict(body)
    if not show_secrets:
        if "destination_conf" in shown:
            shown["destination_conf"] = redacted_destination(str(shown["destination_conf"]))
        if "ownership_challenge" in shown:
            shown["ownership_challenge"] = REDACTED
    headers = {"Authorization": f"Bearer {REDACTED}", "Content-Type": "application/json"}
    return {"method": method, "url": url, "headers": headers, "body": shown}


class _Word(NamedTuple):
    """A part of an argument: a text, or an expansion of the shell."""

    text: str
    is_expansion: bool = False


def _destination_words(destination: Destination | None, conf: str, *, show_secrets: bool) -> list[_Word]:
    if destination is None:
        return [_Word(conf if show_secrets else redacted_destination(conf))]
    words = []
    for part in destination.parts:
        if not isinstance(part, Secret):
            # A URL of a receiver may have the parameter of another header.
            words.append(_Word(part if show_secrets else redacted_parameters(part)))
        elif show_secrets:
            words.append(_Word(part.in_url))
        elif part.shell is not None and part.in_url == part.value:
            words.append(_Word(part.shell, is_expansion=True))
        else:
            words.append(_Word(REDACTED))
    return words


def _quoted(words: list[_Word]) -> str:
    """Return words as one argument for a POSIX shell."""
    parts = []
    for is_expansion, group in itertools.groupby(words, lambda word: word.is_expansion):
        text = "".join(word.text for word in group)
        parts.append(f'"{text}"' if is_expansion else "'" + text.replace("'", "'\\''") + "'")
    return "".join(parts)
