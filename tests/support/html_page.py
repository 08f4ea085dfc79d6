"""Reads an HTML page as the tests of the inspection's page need it: elements, tables, texts and references."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Element", "parse_page"]

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


@dataclass
class Element:
    """An element with its attributes and its children: elements and texts."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Return the descendants with this tag and these attributes, in the order of the page."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if tag in ("", child.tag) and attributes.items() <= child.attributes.items():
                    found.append(child)
                found += child.all(tag, **attributes)
        return found

    def one(self, tag: str = "", **attributes: str) -> Element:
        """Return the only descendant with this tag and these attributes."""
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        """All text inside, with single spaces between words."""
        return " ".join("".join(self.raw_texts()).split())

    def raw_texts(self) -> list[str]:
        """Return the texts inside as they are."""
        return [text for child in self.children for text in ([child] if isinstance(child, str) else child.raw_texts())]

    def rows(self) -> list[list[str]]:
        """Return the texts of a table's cells, without its head."""
        body = self.one("tbody")
        return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in body.all("tr")]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse_page(text: str) -> Element:
    """Return the page as one element; fails if an element is not closed in its parent."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert len(parser.open) == 1, f"<{parser.open[-1].tag}> is not closed"
    return parser.open[0]
