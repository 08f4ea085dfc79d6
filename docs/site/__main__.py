"""Build the documentation site: ``python docs/site [FOLDER]``, into build/site if no folder is given.

The pages are those of the repository, so that they are also readable there. What is added here is made of the code: the
navigation, the reference of the Python API and that of the command. A warning of Sphinx is an error, and so is a link
that leads nowhere (`check`). Needs the extra ``docs``, and no network.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

try:
    import names
    from sphinx.cmd.build import main as sphinx
except ModuleNotFoundError as error:
    sys.exit(f"the site needs the library {error.name}: pip install 'cfdns-fast[docs]'")

import commands
from check import faults
from pages import FRONT, ROOT, links_of, navigation, sections

from cfdns_fast.cli.app import _cli

_HERE = Path(__file__).parent
#: The folder of the pages that are made here, beside the pages of `docs`.
_MADE = "docs/reference"


def main(out: Path) -> int:
    """Build the site in place of the one that is there; return the exit code."""
    if (out / ".buildinfo").exists():
        # Pages that no longer exist would stay.
        shutil.rmtree(out)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        print(f"{out} is not empty, and holds no site; name another folder", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder)
        stage(staged)
        folders = ["-c", folder, "-d", f"{folder}/.doctrees", folder, str(out)]
        code = sphinx(["-q", "-W", "--keep-going", "-b", "html", *folders])
        if code:
            return code
    # A server shows index.html, and the front page of the repository is its README.
    shutil.copyfile(out / "README.html", out / "index.html")
    for fault in (found := faults(out)):
        print(fault, file=sys.stderr)
    return 1 if found else 0


def stage(folder: Path) -> None:
    """Copy the pages and what they link to a folder, and add what is made of the code."""
    listed = sections()
    pages = [FRONT, "docs/README.md", *(page for section in listed for page in section.pages)]
    for page in dict.fromkeys(pages):
        text = (ROOT / page).read_text(encoding="utf-8")
        for linked in [page, *links_of(text, page)]:
            if (ROOT / linked).is_file() and (linked == page or not linked.endswith(".md")):
                _copy(linked, folder)
    _append(folder / FRONT, "\n```{toctree}\n:hidden:\n\ndocs/README\n```\n" + navigation(listed))
    modules = {name: names.page(name) for name in names.packages()}
    for name, text in modules.items():
        _write(folder / _MADE / f"{name}.md", text)
    _append(folder / "docs/api.md", _contents([f"reference/{name}" for name in modules]))
    _write(folder / _MADE / "commands.md", commands.page(_cli, "cfdns-fast"))
    _append(folder / "docs/command_line.md", _contents(["reference/commands"]))
    shutil.copy(_HERE / "conf.py", folder)
    (folder / "site_style").mkdir()
    shutil.copy(_HERE / "site.css", folder / "site_style")


def _contents(entries: list[str]) -> str:
    return "\n## Reference\n\n```{toctree}\n:maxdepth: 1\n\n" + "\n".join(entries) + "\n```\n"


def _copy(name: str, folder: Path) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / name, folder / name)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _append(path: Path, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"))
