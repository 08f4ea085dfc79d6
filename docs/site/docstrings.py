"""An extension of Sphinx: links from docstrings to public names, and signatures of compiled classes from their stub."""

from __future__ import annotations

from typing import Any

import names
import stubs
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension, after the one that reads numpy's sections (priority 500)."""
    app.connect("autodoc-process-docstring", _link, priority=600)
    app.connect("autodoc-process-signature", _sign)
    app.connect("doctree-read", _unlink)
    return {"parallel_read_safe": True}


def _link(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = names.linked(lines, name)


def _unlink(app: Sphinx, doctree: nodes.document) -> None:
    """Drop links of types that are no public name: Sphinx links ``bytes`` to an attribute that is called so."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link.get("refdomain") == "py" and link.get("refspecific") and not names.is_public(link["reftarget"]):
            link.replace_self(link.children)


def _sign(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, result: str | None
) -> tuple[str, str | None] | None:
    # Classes have theirs in the directive, because Sphinx accepts none here for a class without one of its own.
    return stubs.signature_of(obj) if what == "method" else None
