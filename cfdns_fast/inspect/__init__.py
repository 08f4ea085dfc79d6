"""What is in a batch: counts of raw or converted logs, for a person to read.

- `inspection`: `Inspection` reads inputs, recognises what they are, and counts them in bounded memory.
- `summary`: `Summary` and its parts, what was found as data.
- `plain`, `terminal`: a summary as text.
- `page`: a summary as an HTML page.

Each name is imported at first use, because pyarrow and Jinja2 are optional.
"""

# Type checkers treat this name as true. Importing the module typing takes longer than importing this one.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .file_counts import InputFile
    from .inspection import Inspection
    from .page import render_page
    from .plain import plain_lines
    from .summary import Domain, Example, Fault, File, Files, Gap, Rate, Summary, Top

__all__ = [
    "Domain",
    "Example",
    "Fault",
    "File",
    "Files",
    "Gap",
    "InputFile",
    "Inspection",
    "Rate",
    "Summary",
    "Top",
    "plain_lines",
    "render_page",
]

_MODULES = {
    ".file_counts": ("InputFile",),
    ".inspection": ("Inspection",),
    ".page": ("render_page",),
    ".plain": ("plain_lines",),
    ".summary": ("Domain", "Example", "Fault", "File", "Files", "Gap", "Rate", "Summary", "Top"),
}

if not TYPE_CHECKING:
    from ..lazy import lazy_names

    __getattr__, __dir__ = lazy_names(globals(), _MODULES)
