"""Faults of a built site: links that lead nowhere, and parts that a browser would load from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: The attributes by which a browser loads something without a click. Links of the kind `a` are not among them.
_LOADS = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "video": "src",
}
#: What a style sheet loads by a URL with a host.
_FROM_ELSEWHERE = re.compile(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)
#: Pages of Sphinx whose content a script makes.
_SCRIPTED = ("search.html", "genindex.html")


class _Page(HTMLParser):
    """The ids, the links and the loads of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif (name := _LOADS.get(tag)) is not None and name in values:
            self.loads.append(values[name])


def faults(site: Path) -> list[str]:
    """Return a sentence for each fault of the site in a folder."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for link in page.links:
            if not urlsplit(link).scheme and (fault := _fault_of_link(link, path, pages)):
                found.append(f"{name}: the link {link} {fault}")
        for load in page.loads:
            if urlsplit(load).scheme not in ("", "data") or urlsplit(load).netloc:
                found.append(f"{name}: {load} is loaded from elsewhere")
            elif not urlsplit(load).scheme and not (path.parent / unquote(urlsplit(load).path)).exists():
                found.append(f"{name}: {load} does not exist")
    for path in site.rglob("*.css"):
        if _FROM_ELSEWHERE.search(path.read_text(encoding="utf-8")):
            found.append(f"{path.relative_to(site).as_posix()}: it loads from elsewhere")
    return found


def _fault_of_link(link: str, path: Path, pages: dict[Path, _Page]) -> str | None:
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return "leads to no file"
    if parts.fragment and target in pages and target.name not in _SCRIPTED:
        return None if unquote(parts.fragment) in pages[target].ids else "leads to no such part of the page"
    return None
