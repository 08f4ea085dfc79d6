"""The package: consistent metadata, complete lists of files, and workflows with pinned actions."""

from __future__ import annotations

import fnmatch
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cfdns_fast import errors

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cfdns_fast"
WORKFLOWS = sorted((ROOT / ".github").rglob("*.yml"))
CODES = [
    code
    for table in (errors.REJECT_CODES, errors.PROBLEM_CODES, errors.PARSE_CODES, errors.FORMAT_CODES)
    for code in table
]

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="no source tree around the tests")
needs_repository = pytest.mark.skipif(not WORKFLOWS, reason="an sdist has no workflows")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def configuration() -> dict[str, Any]:
    return tomllib.loads(text("pyproject.toml"))


def versions() -> set[str]:
    """Return the Python versions that the classifiers name."""
    pattern = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    return {found[1] for name in configuration()["project"]["classifiers"] if (found := pattern.fullmatch(name))}


# Metadata


def test_classifiers_begin_at_requires_python() -> None:
    oldest = min(versions(), key=lambda version: int(version.split(".")[1]))
    assert configuration()["project"]["requires-python"] == f">={oldest}"


def test_tools_target_the_oldest_python() -> None:
    oldest = configuration()["project"]["requires-python"].removeprefix(">=")
    assert configuration()["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_wheels_are_built_and_tested_per_classifier() -> None:
    wheels = configuration()["tool"]["cibuildwheel"]
    # One wheel is without the GIL, for the first release in which that is not experimental.
    assert set(wheels["build"]) == {f"cp{version.replace('.', '')}-*" for version in versions()} | {"cp314t-*"}
    assert wheels["test-command"] == 'pytest -m "slow or not slow" {project}/tests'
    assert wheels["test-environment"] == {"CFDNS_HYPOTHESIS": "ci"}
    assert set(wheels["test-extras"]) <= set(configuration()["project"]["optional-dependencies"])


@pytest.mark.parametrize("page", ["README.md", "docs/contributing.md", "benchmarks/README.md", ".ci/run"])
def test_named_extras_exist(page: str) -> None:
    if not (ROOT / page).exists():
        pytest.skip("not part of an sdist")
    named = set(re.findall(r"""['"]\.\[([\w,]+)\]['"]""", text(page)))
    assert named
    assert {extra for group in named for extra in group.split(",")} <= set(
        configuration()["project"]["optional-dependencies"]
    )


def test_build_and_bench_require_the_same_pysimdjson() -> None:
    wanted = [
        *configuration()["build-system"]["requires"],
        *configuration()["project"]["optional-dependencies"]["bench"],
    ]
    asked = [requirement for requirement in wanted if requirement.startswith("pysimdjson")]
    assert len(asked) == 2
    assert len(set(asked)) == 1


def test_compile_flags_are_portable() -> None:
    assert not re.search(r"""["']-(march|mtune|mcpu|mavx|msse|ffast-math)|["']/(arch|fp:fast)""", text("setup.py"))


# Files


def native_sources() -> list[Path]:
    """Return the sources of the extension."""
    folders = (PACKAGE / "_core", PACKAGE / "_native")
    suffixes = (".pyx", ".pxi", ".pxd", ".hpp", ".cpp", ".map")
    return [path for folder in folders for path in folder.rglob("*") if path.suffix in suffixes]


def test_package_data_includes_data_files() -> None:
    patterns = configuration()["tool"]["setuptools"]["package-data"]["cfdns_fast"]
    pages = [*PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.css")]
    for path in [*PACKAGE.rglob("*.pyi"), PACKAGE / "py.typed", *PACKAGE.glob("data/*"), *pages]:
        name = path.relative_to(PACKAGE).as_posix()
        assert any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns), name


def test_package_data_excludes_native_sources() -> None:
    patterns = configuration()["tool"]["setuptools"]["package-data"]["cfdns_fast"]
    for path in native_sources():
        name = path.relative_to(PACKAGE).as_posix()
        assert not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns), name


def test_manifest_includes_native_sources() -> None:
    lines = [line.split()[1:] for line in text("MANIFEST.in").splitlines() if line.startswith("recursive-include ")]
    native = native_sources()
    assert len(native) > 20
    for path in native:
        folders = [(folder, patterns) for folder, *patterns in lines if (ROOT / folder) in path.parents]
        assert any(fnmatch.fnmatchcase(path.name, pattern) for _, patterns in folders for pattern in patterns), path


def test_extension_compiles_every_cpp_file() -> None:
    for path in (PACKAGE / "_native").rglob("*.cpp"):
        assert path.relative_to(PACKAGE / "_native").as_posix() in text("setup.py")


def test_notice_names_the_included_work() -> None:
    assert {"LICENSE", "NOTICE"} <= set(configuration()["project"]["license-files"])
    notice = " ".join(text("NOTICE").split())
    for named in ("simdjson", "Apache License, Version 2.0", "MIT", "Public Suffix List", "Mozilla Public License 2.0"):
        assert named in notice


# Documented codes and versions


@pytest.mark.parametrize("code", CODES)
def test_stable_code_is_documented(code: str) -> None:
    pages = [ROOT / "README.md", PACKAGE / "data" / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"`{code}`" in page.read_text(encoding="utf-8") for page in pages)


def test_changelog_has_the_version() -> None:
    version = configuration()["project"]["version"]
    assert re.search(
        rf"^## {re.escape(version)} \((unreleased|\d{{4}}-\d\d-\d\d)\)$", text("CHANGELOG.md"), re.MULTILINE
    )


# Workflows


@needs_repository
@pytest.mark.parametrize("path", ["docs/contributing.md", ".ci/wheels", ".github/workflows/test.yml"])
def test_slow_tests_run_before_a_submission(path: str) -> None:
    assert 'pytest -m "slow or not slow"' in text(path).replace(" -q", "").replace('"$2/pytest"', "pytest")


@needs_repository
def test_ci_runs_the_command_with_slow_tests() -> None:
    commands = dict(re.findall(r"<!-- command: (\w+) -->\n+```sh\n(.*?)```", text("docs/contributing.md"), re.DOTALL))
    assert 'pytest -m "slow or not slow"' in commands["develop"]
    assert "documented develop" in text(".ci/run")


@needs_repository
@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".pre-commit-config.yaml"], ids=lambda path: path.name)
def test_yaml_file_is_an_object(path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


@needs_repository
def test_actions_are_pinned_by_the_same_commit() -> None:
    used: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, version in re.findall(
            r"uses: ([^\s@]+)(?:@(.*))?$", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            if action.startswith("./"):
                continue
            assert re.fullmatch(r"[0-9a-f]{40} # v[0-9.]+", version), f"{path.name}: {action}"
            used.setdefault(action, set()).add(version)
    assert used
    assert all(len(pins) == 1 for pins in used.values()), used


@needs_repository
def test_only_publishing_workflows_may_write() -> None:
    writes = {"publish.yml": 1, "site.yml": 2}
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = path.read_text(encoding="utf-8")
        assert "\npermissions:\n  contents: read\n" in workflow
        assert workflow.count(": write") == writes.get(path.name, 0)
        assert "\nconcurrency:\n" in workflow


@needs_repository
@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_ci_scripts_are_executable() -> None:
    for path in (ROOT / ".ci").iterdir():
        assert os.access(path, os.X_OK), path.name
