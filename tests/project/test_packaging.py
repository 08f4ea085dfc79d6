"""What is shipped: metadata that agrees with itself, nothing left out, workflows that cannot change under us."""

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


def test_classifiers_when_compared_with_requires_python_then_start_at_the_same_version() -> None:
    oldest = min(versions(), key=lambda version: int(version.split(".")[1]))
    assert configuration()["project"]["requires-python"] == f">={oldest}"


def test_tools_when_they_name_a_python_then_name_the_oldest() -> None:
    oldest = configuration()["project"]["requires-python"].removeprefix(">=")
    assert configuration()["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_wheels_when_built_then_are_for_the_versions_of_the_classifiers_and_tested() -> None:
    wheels = configuration()["tool"]["cibuildwheel"]
    # And one without the GIL, for the first version where that is no experiment.
    assert set(wheels["build"]) == {f"cp{version.replace('.', '')}-*" for version in versions()} | {"cp314t-*"}
    assert wheels["test-command"] == 'pytest -m "slow or not slow" {project}/tests'
    assert wheels["test-environment"] == {"CFDNS_HYPOTHESIS": "ci"}
    assert set(wheels["test-extras"]) <= set(configuration()["project"]["optional-dependencies"])


@pytest.mark.parametrize("page", ["README.md", "docs/contributing.md", "benchmarks/README.md", ".ci/run"])
def test_extras_when_a_page_names_them_then_exist(page: str) -> None:
    if not (ROOT / page).exists():
        pytest.skip("not part of an sdist")
    named = set(re.findall(r"""['"]\.\[([\w,]+)\]['"]""", text(page)))
    assert named
    assert {extra for group in named for extra in group.split(",")} <= set(
        configuration()["project"]["optional-dependencies"]
    )


def test_build_and_bench_when_they_ask_for_pysimdjson_then_ask_for_the_same() -> None:
    wanted = [
        *configuration()["build-system"]["requires"],
        *configuration()["project"]["optional-dependencies"]["bench"],
    ]
    asked = [requirement for requirement in wanted if requirement.startswith("pysimdjson")]
    assert len(asked) == 2
    assert len(set(asked)) == 1


def test_compile_flags_when_listed_then_are_portable() -> None:
    assert not re.search(r"""["']-(march|mtune|mcpu|mavx|msse|ffast-math)|["']/(arch|fp:fast)""", text("setup.py"))


# Files


def native_sources() -> list[Path]:
    """Return what the extension is built from."""
    folders = (PACKAGE / "_core", PACKAGE / "_native")
    suffixes = (".pyx", ".pxi", ".pxd", ".hpp", ".cpp", ".map")
    return [path for folder in folders for path in folder.rglob("*") if path.suffix in suffixes]


def test_package_data_when_a_file_is_no_source_then_includes_it() -> None:
    patterns = configuration()["tool"]["setuptools"]["package-data"]["cfdns_fast"]
    for path in [*PACKAGE.rglob("*.pyi"), PACKAGE / "py.typed", *PACKAGE.glob("data/*")]:
        name = path.relative_to(PACKAGE).as_posix()
        assert any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns), name


def test_package_data_when_a_file_is_a_source_then_leaves_it_out() -> None:
    patterns = configuration()["tool"]["setuptools"]["package-data"]["cfdns_fast"]
    for path in native_sources():
        name = path.relative_to(PACKAGE).as_posix()
        assert not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns), name


def test_manifest_when_a_file_is_native_then_includes_it() -> None:
    lines = [line.split()[1:] for line in text("MANIFEST.in").splitlines() if line.startswith("recursive-include ")]
    native = native_sources()
    assert len(native) > 20
    for path in native:
        folders = [(folder, patterns) for folder, *patterns in lines if (ROOT / folder) in path.parents]
        assert any(fnmatch.fnmatchcase(path.name, pattern) for _, patterns in folders for pattern in patterns), path


def test_extension_when_a_file_is_cpp_then_compiles_it() -> None:
    for path in (PACKAGE / "_native").rglob("*.cpp"):
        assert path.relative_to(PACKAGE / "_native").as_posix() in text("setup.py")


def test_notice_when_read_then_names_what_is_compiled_in_and_what_is_read() -> None:
    assert {"LICENSE", "NOTICE"} <= set(configuration()["project"]["license-files"])
    notice = " ".join(text("NOTICE").split())
    for named in ("simdjson", "Apache License, Version 2.0", "MIT", "Public Suffix List", "Mozilla Public License 2.0"):
        assert named in notice


# What people search for


@pytest.mark.parametrize("code", CODES)
def test_code_when_it_is_stable_then_the_documentation_has_it(code: str) -> None:
    pages = [ROOT / "README.md", PACKAGE / "data" / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"`{code}`" in page.read_text(encoding="utf-8") for page in pages)


def test_changelog_when_read_then_has_the_version() -> None:
    version = configuration()["project"]["version"]
    assert re.search(
        rf"^## {re.escape(version)} \((unreleased|\d{{4}}-\d\d-\d\d)\)$", text("CHANGELOG.md"), re.MULTILINE
    )


# Workflows


@needs_repository
@pytest.mark.parametrize("path", ["docs/contributing.md", ".ci/run", ".ci/wheels", ".github/workflows/test.yml"])
def test_slow_tests_run_before_a_submission(path: str) -> None:
    assert 'pytest -m "slow or not slow"' in text(path).replace(" -q", "").replace('"$2/pytest"', "pytest")


@needs_repository
@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".pre-commit-config.yaml"], ids=lambda path: path.name)
def test_yaml_when_parsed_then_is_an_object(path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


@needs_repository
def test_actions_when_used_then_are_pinned_by_commit_and_alike() -> None:
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
def test_workflows_when_they_name_permissions_then_may_read_only_but_for_publishing() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = path.read_text(encoding="utf-8")
        assert "\npermissions:\n  contents: read\n" in workflow
        assert workflow.count(": write") == (1 if path.name == "publish.yml" else 0)
        assert "\nconcurrency:\n" in workflow


@needs_repository
@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_scripts_when_listed_then_may_be_run() -> None:
    for path in (ROOT / ".ci").iterdir():
        assert os.access(path, os.X_OK), path.name
