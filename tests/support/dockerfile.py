"""A parser of Dockerfiles: their instructions, with continued lines as one."""

from __future__ import annotations

import json
import re

__all__ = ["parse"]

_KNOWN = frozenset({"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "LABEL", "RUN", "USER", "WORKDIR"})


def parse(text: str) -> list[tuple[str, str]]:
    """Return each instruction and its arguments. ValueError if one is not known, or the first is not FROM."""
    joined = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    found = [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]
    for word, rest in found:
        if word not in _KNOWN or not rest:
            raise ValueError(f"not an instruction: {word} {rest}")
        if word in ("CMD", "ENTRYPOINT") and not isinstance(json.loads(rest), list):
            raise ValueError(f"not a list of words, so that a shell would start the program: {rest}")
    if not found or found[0][0] not in ("ARG", "FROM"):
        raise ValueError("the first instruction is FROM")
    return found
