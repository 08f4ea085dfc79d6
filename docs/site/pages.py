"""The pages of the site and its navigation, which are those of the index, docs/README.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FRONT = "README.md"
INDEX = "docs/README.md"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCES = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


class Section(NamedTuple):
    """A heading of the index, and the pages that its table links, by their paths in the repository."""

    title: str
    pages: list[str]


def sections(root: Path = ROOT) -> list[Section]:
    """Return the sections of the index; of a row of a table, the first cell has the links to its pages."""
    found: list[Section] = []
    for part in re.split(r"^## ", (root / INDEX).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        cells = re.findall(r"^\| ([^|]*) \|", text, re.MULTILINE)
        pages = [page for cell in cells for page in links_of(cell, INDEX, root) if page.endswith(".md")]
        if pages:
            found.append(Section(title, pages))
    return found


def links_of(text: str, page: str, root: Path = ROOT) -> list[str]:
    """Return the files that a page's text links, by their paths in the repository, each once."""
    folder = (root / page).parent
    found = []
    for target in _LINK.findall(_FENCES.sub("", text)):
        name = target.partition("#")[0]
        if name and not re.match(r"\w+:", name):
            found.append((folder / name).resolve().relative_to(root.resolve()).as_posix())
    return list(dict.fromkeys(found))


def navigation(found: list[Section]) -> str:
    """Return the tables of contents that make the site's navigation."""
    parts = []
    for section in found:
        names = "\n".join(page.removesuffix(".md") for page in section.pages)
        parts.append(f"\n```{{toctree}}\n:hidden:\n:caption: {section.title}\n\n{names}\n```\n")
    return "".join(parts)


def anchor_of(heading: str) -> str:
    """Return the anchor that a forge makes of a heading, so that a link works on the forge and on the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
