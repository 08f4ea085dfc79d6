"""The documentation is correct: every code block runs and prints what its page says, and every link resolves.

`documentation.py` says how a block is run. `.ci/run` runs the blocks marked as commands, which install or take minutes.
Of the commands within sentences, only the arguments are checked.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import recipe_fakes
from support.documentation import PAGES, ROOT, Page, blocks, blocks_of, name_of

pytestmark = pytest.mark.skipif(not (ROOT / "docs").exists(), reason="no documentation around the tests")

WITH_CODE = [page for page in PAGES if blocks(page)]
#: Pages whose code starts processes for more than two seconds.
SLOW_PAGES = ("inspect.md", "mapping.md", "receiver.md")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose_of(path: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(path), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")
@pytest.mark.parametrize(
    "path",
    [pytest.param(page, marks=pytest.mark.slow if page.name in SLOW_PAGES else []) for page in WITH_CODE],
    ids=name_of,
)
def test_page_code_prints_what_the_page_says(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(Page(tmp_path)) as page, recipe_fakes.services(monkeypatch):
        for block in blocks(path):
            if block.command is None and block.engine is None:
                page.run(block)


def test_marked_commands_are_run_by_ci() -> None:
    run = ROOT / ".ci" / "run"
    if not run.exists():
        pytest.skip("not part of an sdist")
    named = [block.command for page in PAGES for block in blocks(page) if block.command is not None]
    assert sorted(named) == sorted(re.findall(r"\bdocumented (\w+)", text_of(run)))


#: Commands within sentences, which begin with a variable of the project, a script of the repository, or python.
#: Commands that run pytest are slow, because each collects tests in a process.
SENTENCES = [
    pytest.param(
        shlex.split(found[0]),
        id=f"{name_of(page)}: {found[0]}",
        marks=pytest.mark.slow if "pytest" in found[0].split() else [],
    )
    for page in PAGES
    for found in re.finditer(
        r"(?<=`)(?:(?:CFDNS_\w+=[^\s`]+ )+[^\s`]+|tests/fuzz/run|\.ci/\w+|python(?= ))(?: [^`]+)?(?=`)", prose_of(page)
    )
]


@pytest.mark.parametrize("words", SENTENCES)
def test_command_in_a_sentence_is_valid(words: list[str]) -> None:
    settings = dict(word.split("=") for word in words if word.startswith("CFDNS_"))
    program, *arguments = words[len(settings) :]
    if program == "pytest":
        readers = require_tests(arguments, settings)
    elif program == "python":
        readers = require_python(arguments)
    else:
        if not (ROOT / program).exists():
            pytest.skip("not part of an sdist")
        readers = text_of(ROOT / program)
        require_usage(program, arguments, readers)
    for name in settings:
        assert re.search(rf"\b{name}\b", readers), name


def require_tests(arguments: list[str], settings: dict[str, str]) -> str:
    """Require that pytest collects these tests; return the text of their modules."""
    # The tests are only collected, because they take minutes. Their modules read the settings at import.
    collected = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "--collect-only", *arguments],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        encoding="utf-8",
    )
    assert collected.returncode == 0, collected.stdout
    module = text_of(ROOT / arguments[0])
    imported = re.findall(r"^from support(?:\.| import )(\w+)", module, re.MULTILINE)
    files = [ROOT / "tests" / "conftest.py", *(ROOT / "tests" / "support" / f"{name}.py" for name in imported)]
    return module + "".join(map(text_of, files))


def require_python(arguments: list[str]) -> str:
    """Require that the module or file exists and accepts its options; return the text that reads the variables."""
    if arguments[0] != "-m":
        program = ROOT / arguments[0]
        return text_of(program / "__main__.py" if program.is_dir() else program)
    module, *options = arguments[1:]
    if module == "benchmarks":
        code = "import sys; sys.path.append('.'); from benchmarks.__main__ import _parser; _parser().parse_args()"
        parsed = subprocess.run([sys.executable, "-P", "-c", code, *options], cwd=ROOT, capture_output=True, text=True)
        assert parsed.returncode == 0, parsed.stderr
    path = ROOT.joinpath(*module.split("."))
    assert module in ("pytest", "build") or path.with_suffix(".py").exists() or (path / "__main__.py").exists()
    return text_of(ROOT / "setup.py") if module == "build" else ""


def require_usage(program: str, arguments: list[str], text: str) -> None:
    """Require that the usage at the top of a script has these arguments; words in capitals are placeholders."""
    usages = [
        each.strip() for each in re.findall(rf"^# +{re.escape(program)}((?: \S+)*)(?:  .*)?$", text, re.MULTILINE)
    ]
    if not usages:
        assert not arguments, "it has no usage"
        return
    patterns = [re.sub("[A-Z]{4,}", r"\\S+", re.escape(usage).replace("SECONDS", r"\d+")) for usage in usages]
    assert any(re.fullmatch(pattern, " ".join(arguments)) for pattern in patterns), usages


def test_commands_in_sentences_are_found() -> None:
    assert len(SENTENCES) > 25


LANGUAGES = ("python", "sh", "toml", "yaml", "ruby", "dockerfile", "diff", "json", "text")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_code_is_in_fences_of_known_languages(path: Path) -> None:
    assert not re.search(r"\n\n {4}\S", prose_of(path)), "indented code is not run"
    for block in blocks(path):
        assert block.language in ("python", "sh", "toml", "yaml", "ruby", "dockerfile", "diff", "json", "text"), (
            block.place
        )


WRONG_PAGES = {
    "what is printed": "```python\nprint(1)  # 2\n```\n",
    "what is printed beside": "```python\nprint(1)\nprint(2)  # 2\n```\n",
    "what must not raise": "```python\nassert False\n```\n",
    "an output": "```sh\necho a b\n```\n\n<!-- output -->\n```text\na … c\n```\n",
    "an output as JSON": '```sh\necho \'{"a": 1}\'\n```\n\n<!-- output -->\n```json\n{"a": 2}\n```\n',
    "a failing command": "```sh\nfalse\ntrue\n```\n",
    "an exit code": "<!-- exit 2 -->\n```sh\nexit 1\n```\n",
    "a mapping": '```toml\n[[field]]\nto = "a"\nkind = "b"\n```\n',
    "a diff": "```sh\necho a > a.toml\n```\n\n```diff\n--- a.toml\n+++ a.toml\n@@\n-b\n+c\n```\n",
    "a command of a collector": '```toml\ncommand = ["sh", "-c", "cfdns-fast --version; exec sleep 60"]\n```\n',
    "a pipeline of Logstash": "```ruby\ninput {\n  file {\n    path =>\n  }\n}\n```\n",
    "a Dockerfile": "```dockerfile\nFROM a\nRUNS b\n```\n",
    "a block of no known language": "```text\na\n```\n",
}


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")
@pytest.mark.parametrize("text", WRONG_PAGES.values(), ids=WRONG_PAGES)
def test_wrong_page_fails(text: str, tmp_path: Path) -> None:
    page = Page(tmp_path)
    with pytest.raises((AssertionError, ValueError)):
        for block in blocks_of(text, "page"):
            page.run(block)


# Links


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.*)$", prose_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_relative_links_resolve(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(path)):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), f"{name_of(path)}: {target}"
        assert not anchor or anchor in anchors(linked), f"{name_of(path)}: {target}"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_named_paths_exist(path: Path) -> None:
    for name in re.findall(r"`((?:docs|tests|benchmarks|cfdns_fast)/[\w./*-]+)`", text_of(path)):
        # DATASET and NAME are placeholders.
        pattern = re.sub(r"[A-Z]{4,}", "*", name.rstrip("/"))
        assert list(ROOT.glob(pattern)), f"{name_of(path)}: {name}"


def test_index_links_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / target.partition("#")[0]).resolve() for target in re.findall(r"\]\(([^)]+)\)", text_of(index))
    }
    assert {page.resolve() for page in (ROOT / "docs").rglob("*.md")} - linked == {index.resolve()}


# Generated


def generator() -> Any:
    """Return docs/fields.py as a module."""
    spec = importlib.util.spec_from_file_location("fields", ROOT / "docs" / "fields.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_fields_page_is_current() -> None:
    made = generator()
    assert text_of(made.PAGE) == made.render(), "run: python docs/fields.py"
