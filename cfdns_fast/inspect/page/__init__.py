"""A summary as one HTML page: complete in itself, without script, with charts as inline SVG.

All that the page shows is text or a number of the summary, escaped by the templates. The page loads nothing, and its
content security policy forbids a browser to load anything.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import jinja2

from .. import figures
from ..summary import Summary
from ..visible import visible_text
from . import text
from .cards import MAX_ROWS, domain_rows, share_card, top_card
from .charts import rate_chart
from .notes import notes_of
from .tiles import tiles_of

__all__ = ["render_page"]

#: The sections by the names of their elements.
_SECTIONS = (
    ("rate", "Over time"),
    ("problems", "Rejects and problems"),
    ("answers", "Answers"),
    ("names", "Names and clients"),
    ("nxdomain", "NXDOMAIN"),
    ("files", "Files"),
    ("detections", "Detections"),
)


def render_page(summary: Summary) -> str:
    """Return the page of a summary.

    Any thread may call it. It needs Jinja2 (extra ``inspect``).

    Parameters
    ----------
    summary : Summary
        What was found. Its texts may be anything: they are escaped, and characters that are not printable become
        backslash escapes.

    Returns
    -------
    str
        An HTML document without a reference to anything outside. A table shows up to 100 rows, and the number of the
        others.
    """
    chart = None if summary.rate is None else rate_chart(summary.rate, summary.files.gaps)
    return _template().render(
        summary=summary,
        sections=[
            (key, title) for key, title in _SECTIONS if key != "detections" or summary.detection_count is not None
        ],
        tiles=tiles_of(summary, chart),
        notes=notes_of(summary),
        chart=chart,
        tops={top.key: top_card(top, summary.events) for top in summary.tops},
        cached=share_card("Answered from the cache", "Cached", summary.cached),
        families=share_card("Address families of clients", "Family", summary.families),
        edns=share_card("Client subnet (EDNS)", "Given", summary.edns),
        domains=domain_rows(summary.nxdomain),
        max_rows=MAX_ROWS,
    )


@functools.cache
def _template() -> jinja2.Template:
    folder = resources.files(__package__) / "templates"
    loader = jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_finalize,
        loader=loader,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        count=figures.count_text,
        counted=figures.counted_text,
        duration=figures.duration_text,
        interval=text.interval_text,
        name=text.name_html,
        share=figures.share_text,
        size=_size_text,
        utc=text.utc_text,
    )
    return environment.get_template("page.html")


def _finalize(value: Any) -> Any:
    """Make every text visible that no filter has turned into HTML."""
    return visible_text(value) if type(value) is str else value


def _size_text(size_bytes: int | None) -> str:
    return text.NOT_KNOWN if size_bytes is None else figures.size_text(size_bytes)
