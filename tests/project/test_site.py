"""The site: its navigation is the index, its references are complete, and it loads nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from support.documentation import ROOT

from cfdns_fast.cli.app import _cli

SITE = ROOT / "docs" / "site"

pytestmark = pytest.mark.skipif(not SITE.exists(), reason="no documentation around the tests")


def part(name: str) -> ModuleType:
    """Return a module of the site's builder, which is a folder and not a package."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", SITE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Navigation


def test_navigation_has_every_page_once() -> None:
    listed = [page for section in part("pages").sections() for page in section.pages]
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert len(listed) == len(set(listed))
    assert pages - set(listed) == {"docs/README.md"}


def test_navigation_has_the_sections_of_the_index() -> None:
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [section.title for section in part("pages").sections()] == re.findall(r"^## (.*)$", text, re.MULTILINE)


def test_linked_pages_are_in_the_navigation() -> None:
    """A page that others link would have no place on the site."""
    pages = part("pages")
    listed = {pages.FRONT, pages.INDEX, *(page for section in pages.sections() for page in section.pages)}
    for page in listed:
        linked = pages.links_of((ROOT / page).read_text(encoding="utf-8"), page)
        assert {name for name in linked if name.endswith(".md")} <= listed, page


# The reference of the API

#: Packages with names for other packages of this one only.
INTERNAL = {"cfdns_fast._core", "cfdns_fast.inspect.page", "cfdns_fast.plan"}


def packages_with_reference() -> set[str]:
    """Return the packages of the builder, whose module needs Sphinx."""
    source = (SITE / "names.py").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^PACKAGES = \((.*?)^\)", source, re.MULTILINE | re.DOTALL)
    return set(re.findall(r'"([\w.]+)"', listed))


def test_every_public_package_has_a_reference() -> None:
    folders = [
        path.parent for path in (ROOT / "cfdns_fast").glob("**/__init__.py") if "__all__" in path.read_text("utf-8")
    ]
    public = {".".join(folder.relative_to(ROOT).parts) for folder in folders} - INTERNAL
    assert packages_with_reference() == public
    api = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    table = api.partition("## The packages")[2]
    assert set(re.findall(r"`(cfdns_fast[\w.]*)`", table)) == public


# The reference of the command


def commands_of(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands_of(child, f"{path} {name}")


@pytest.mark.slow
def test_command_reference_has_every_option() -> None:
    pytest.importorskip("pyarrow")
    text = part("commands").page(_cli, "cfdns-fast")
    parts = dict(each.split("\n", 1) for each in re.split(r"^## ", text, flags=re.MULTILINE)[1:])
    found = dict(commands_of(_cli, "cfdns-fast"))
    assert set(parts) == set(found)
    assert len(parts) > 12
    for path, command in found.items():
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert all(f"{name}" in parts[path] for name in option.opts), (path, option.name)


def test_help_is_no_markup() -> None:
    text = part("commands")._text("a * b_c <d> | `e_*` [f] ${g}")
    assert text == r"a \* b\_c \<d\> \| `e_*` \[f\] \$\{g\}"


# Faults of a site

#: Pages with one fault each, and what is said of it.
FAULTY = {
    '<a href="missing.html">': "leads to no file",
    '<a href="other.html#missing">': "no such part",
    '<a href="#missing">': "no such part",
    '<img src="missing.png">': "does not exist",
    '<script src="https://cdn.example/a.js"></script>': "loaded from elsewhere",
    '<link rel="stylesheet" href="//cdn.example/a.css">': "loaded from elsewhere",
}


@pytest.mark.parametrize("page", FAULTY)
def test_fault_of_a_site_is_found(page: str, tmp_path: Path) -> None:
    tmp_path.joinpath("index.html").write_text(f"<html>{page}</html>", encoding="utf-8")
    tmp_path.joinpath("other.html").write_text('<html><p id="here"></html>', encoding="utf-8")
    (fault,) = part("check").faults(tmp_path)
    assert FAULTY[page] in fault


def test_site_without_faults_has_none(tmp_path: Path) -> None:
    text = '<html><a href="other.html#here"><a href="https://a.example"><img src="data:image/png;base64,AA=="></html>'
    tmp_path.joinpath("index.html").write_text(text, encoding="utf-8")
    tmp_path.joinpath("other.html").write_text('<html><p id="here"></html>', encoding="utf-8")
    assert part("check").faults(tmp_path) == []


@pytest.mark.parametrize(
    ("style", "count"),
    [
        ("@font-face { src: url('https://fonts.example/a') }", 1),
        ("a { background: url( //fonts.example/a) }", 1),
        ('@import "https://fonts.example/a.css";', 1),
        ("a { background: url(data:image/svg+xml;base64,PA//) } /* https://a.example */", 0),
    ],
)
def test_style_from_elsewhere_is_found(style: str, count: int, tmp_path: Path) -> None:
    tmp_path.joinpath("a.css").write_text(style, encoding="utf-8")
    assert len(part("check").faults(tmp_path)) == count


# The built site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site; a warning of the generator or a link that leads nowhere is a failure."""
    for library in ("sphinx", "myst_parser", "furo", "pyarrow", "xxhash"):
        pytest.importorskip(library, reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site") / "out"
    # Without a network: a proxy that does not exist.
    environment = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    built = subprocess.run([sys.executable, SITE, folder], capture_output=True, text=True, env=environment)
    assert (built.returncode, built.stderr) == (0, "")
    return folder


@pytest.mark.slow
def test_folder_of_other_files_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    (tmp_path / "thesis.txt").write_text("a")
    refused = subprocess.run([sys.executable, SITE, tmp_path], capture_output=True, text=True)
    assert (refused.returncode, [path.name for path in tmp_path.iterdir()]) == (2, ["thesis.txt"])
    assert "is not empty, and holds no site" in refused.stderr


@pytest.mark.slow
def test_site_has_every_public_name(site: Path) -> None:
    # Four lines of text, and a line for each object in zlib: its name, its kind, and three more words.
    objects = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    known = {line.split()[0] for line in objects.splitlines() if line.split()[1].startswith("py:")}
    for package in packages_with_reference():
        # The names of spark need pyspark, which the builder does without.
        is_spark = package == "cfdns_fast.spark"
        names = ("convert", "register", "schema") if is_spark else importlib.import_module(package).__all__
        assert {f"{package}.{name}" for name in names} <= known


@pytest.mark.slow
def test_site_shows_docstrings_and_options(site: Path) -> None:
    reference = (site / "docs" / "reference" / "cfdns_fast.html").read_text(encoding="utf-8")
    assert "Unit of numeric timestamps" in reference
    assert "32 bytes for each reject" in reference, "the docstring of a compiled class"
    matching = (site / "docs" / "reference" / "cfdns_fast.matching.html").read_text(encoding="utf-8")
    assert "find(name: bytes)" in re.sub("<[^>]+>", "", matching), "a signature of the stub"
    tools = (site / "docs" / "reference" / "cfdns_fast.mapping_tools.html").read_text(encoding="utf-8")
    assert "<em>bytes</em>" in tools and "SpoolStatus.bytes" not in tools, (
        "a type is no link to an attribute of its name"
    )
    assert 'title="cfdns_fast.Normalizer"' in tools and 'title="cfdns_fast.mapping.bundled"' not in tools
    commands = (site / "docs" / "reference" / "commands.html").read_text(encoding="utf-8")
    assert "--max-upload-records" in commands


@pytest.mark.slow
def test_site_has_a_search_and_a_front_page(site: Path) -> None:
    assert "troubleshooting" in (site / "searchindex.js").read_text(encoding="utf-8")
    front = (site / "index.html").read_text(encoding="utf-8")
    assert "One record, before and after" in front
    for page in ("docs/getting_started", "docs/recipes/kafka", "cfdns_fast/data/README"):
        assert f'href="{page}.html"' in front
    assert re.search(r'<img [^>]*src="_images/throughput.svg"', front)
