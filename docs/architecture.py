"""Draw docs/architecture.svg, the floors of the package and the way of a batch: ``python docs/architecture.py``."""

from __future__ import annotations

from html import escape
from pathlib import Path

PICTURE = Path(__file__).with_name("architecture.svg")

#: From top to bottom; each room is (name, what it holds). A room imports only from floors below its own.
FLOORS = (
    (("cli", "the command"), ("", "your program")),
    (
        ("receiver", "Logpush by HTTP"),
        ("jobs", "Logpush jobs"),
        ("spark", "clusters"),
        ("inspect", "a batch, counted"),
        ("mapping_tools", "check, explain"),
    ),
    (("spool", "batches on disk"), ("sinks", "where events go"), ("detect", "what names tell, alerts")),
    (("files", "folders and buckets, resumable; Parquet"),),
    (("normalizer.py", "Normalizer, parse()"),),
    (("formats", "NDJSON, documents, CSV, TSV; detection, streams"),),
    (("arrow.py", "pyarrow types"),),
    (("reference", "the same in plain Python"),),
    (("matching", "what to look for in names"),),
    (("plan", "a mapping, compiled"),),
    (("mapping", "an event as data"), ("_core", "the boundary, in Cython")),
    (("_native", "C++17 without Python"), ("domains.py", "names"), ("options, results, …", "")),
    (("io", "files in and out"), ("suffix_list.py", "suffix rules")),
    (("errors.py", "exceptions, codes"), ("lazy.py", "names at first use")),
)
PUBLIC = 4  # the number of floors above the public line
NATIVE = (
    ("batch",),
    ("framing", "output"),
    ("events",),
    ("plan",),
    ("matching",),
    ("values",),
    ("json",),
    ("support",),
)
#: The way of a batch: step, where it stands in _native, what it does, what leaves there.
STEPS = (
    ("frame", "framing", "bytes to records", "blank: counted"),
    ("decode", "json, events", "find and check tokens", "reject: position, code"),
    ("read", "events, values", "values, by kind", "problem: counted"),
    ("assemble", "output, dicts", "the plan's steps", ""),
)
OUTPUTS = ("NDJSON bytes", "dicts", "Arrow columns")

WIDTH, GAP, ROW, ROOM, NATIVE_ROW = 900, 12, 52, 40, 60
LEFT, HOUSE, SIDE = 20, 590, 230
INK, FAINT, LINE, FILL, NATIVE_FILL, PUBLIC_FILL = "#212529", "#5c636a", "#adb5bd", "#f1f3f5", "#e7f5ff", "#fff4e6"


def text(x: float, y: float, content: str, size: int = 12, color: str = INK, anchor: str = "middle") -> str:
    """Return a line of text."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{color}" text-anchor="{anchor}">{escape(content)}</text>'
    )


def box(x: float, y: float, width: float, height: float, fill: str) -> str:
    """Return a rectangle with rounded corners."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" fill="{fill}" stroke="{LINE}"/>'


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a straight arrow."""
    return f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" stroke="{FAINT}" stroke-width="1.5" marker-end="url(#head)"/>'


def rooms(x: float, y: float, width: float, names: tuple[tuple[str, str], ...], fill: str) -> list[str]:
    """Return one floor: its rooms side by side, each with a name and a line below it."""
    each = (width - GAP * (len(names) - 1)) / len(names)
    shapes = []
    for number, (name, purpose) in enumerate(names):
        left = x + number * (each + GAP)
        middle = left + each / 2
        shapes.append(box(left, y, each, ROOM, "#ffffff" if not name else fill))
        shapes.append(text(middle, y + (17 if name and purpose else 25), name or purpose, 13))
        if name and purpose:
            shapes.append(text(middle, y + 32, purpose, 11, FAINT))
    return shapes


def house(top: float) -> tuple[list[str], float]:
    """Return the floors of the package with those of the native code beside them, and where they end."""
    shapes = [
        text(LEFT, top + 14, "The floors: imports run downwards only", 15, anchor="start"),
        text(LEFT + HOUSE + 40, top + 14, "Inside _native", 15, anchor="start"),
    ]
    y = top + 30
    for number, floor in enumerate(FLOORS):
        if number == PUBLIC:
            caption = "above the line: only public names and cfdns_fast.io; cli also options and mapping"
            shapes.append(text(LEFT + HOUSE, y + 10, caption, 11, "#e8590c", "end"))
            shapes.append(f'<path d="M{LEFT} {y + 18:g}h{HOUSE}" stroke="#e8590c" stroke-dasharray="6 4"/>')
            y += 32
        shapes += rooms(LEFT, y, HOUSE, floor, PUBLIC_FILL if number == PUBLIC else FILL)
        y += ROW
    for number, native in enumerate(NATIVE):
        shapes += rooms(
            LEFT + HOUSE + 40, top + 30 + number * NATIVE_ROW, SIDE, tuple((name, "") for name in native), NATIVE_FILL
        )
    return shapes, y


def way(top: float) -> tuple[list[str], float]:
    """Return the way of a batch from left to right, and where it ends."""
    shapes = [text(LEFT, top + 14, "The way of a batch", 15, anchor="start")]
    width, space = 136, 26
    y = top + 78
    shapes.append(box(LEFT, y, 62, 56, "#ffffff"))
    shapes.append(text(LEFT + 31, y + 32, "bytes", 13))
    x = LEFT + 62.0
    for name, place, purpose, leaves in STEPS:
        shapes.append(arrow(x + 2, y + 28, x + space - 3, y + 28))
        x += space
        middle = x + width / 2
        shapes.append(box(x, y, width, 56, NATIVE_FILL))
        shapes += [
            text(middle, y + 18, name, 13),
            text(middle, y + 34, purpose, 11),
            text(middle, y + 49, place, 11, FAINT),
        ]
        if leaves:
            shapes += [arrow(middle, y + 58, middle, y + 80), text(middle, y + 96, leaves, 11)]
        x += width
    for number, output in enumerate(OUTPUTS):
        shapes.append(arrow(x + 2, y + 28, x + 34, y + 2 + number * 26))
        shapes.append(text(x + 40, y + 6 + number * 26, output, 12, anchor="start"))
    plan = "mapping file → mapping → plan: made once with the Normalizer, immutable, read by every step"
    shapes.append(box(LEFT + 88, top + 28, 4 * width + 3 * space, 26, FILL))
    shapes.append(text(LEFT + 88 + (4 * width + 3 * space) / 2, top + 45, plan, 12))
    for number in range(len(STEPS)):
        middle = LEFT + 88 + number * (width + space) + width / 2
        shapes.append(arrow(middle, top + 56, middle, y - 3))
    return shapes, y + 110


def render() -> str:
    """Return the picture."""
    floors, bottom = house(12)
    steps, height = way(bottom + 16)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}" '
        'font-family="sans-serif" role="img">'
    )
    marker = (
        '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
        f'<path d="M0 0L7 3L0 6Z" fill="{FAINT}"/></marker></defs>'
    )
    title = "<title>The floors of cfdns_fast, and the way of a batch</title>"
    return (
        "\n".join([head, title, marker, '<rect width="100%" height="100%" fill="#ffffff"/>', *floors, *steps, "</svg>"])
        + "\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(render(), encoding="utf-8")
