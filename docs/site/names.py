"""The reference of the Python API as pages: every public name of a package, from its docstring."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from functools import cache
from types import ModuleType
from typing import Any

import stubs
from pages import ROOT
from sphinx.errors import PycodeError
from sphinx.ext.autodoc.mock import mock
from sphinx.pycode import ModuleAnalyzer

#: The packages whose names a program may use. A package that does not exist yet or any more is left out.
PACKAGES = (
    "cfdns_fast",
    "cfdns_fast.files",
    "cfdns_fast.mapping",
    "cfdns_fast.mapping_tools",
    "cfdns_fast.matching",
    "cfdns_fast.detect",
    "cfdns_fast.inspect",
    "cfdns_fast.jobs",
    "cfdns_fast.sinks",
    "cfdns_fast.spool",
    "cfdns_fast.spark",
    "cfdns_fast.io",
    "cfdns_fast.reference",
)

#: Libraries of extras, of which only the names are needed here.
ABSENT = ("py4j", "pyspark")

_CODE = re.compile(r"(?<![`:\w])`([^`\n]+)`(?!`)")
_HEADINGS = {"function": "Functions", "class": "Classes", "exception": "Errors", "data": "Constants"}


@cache
def packages() -> list[str]:
    """Return the packages that exist in the source tree and have public names."""
    found = [name for name in PACKAGES if (ROOT.joinpath(*name.split(".")) / "__init__.py").exists()]
    return [name for name in found if public_names(name)]


def public_names(package: str) -> list[str]:
    """Return the names in ``__all__`` of a package."""
    return sorted(getattr(_module(package), "__all__", ()))


def is_public(name: str) -> bool:
    """Return whether a package has a public name, or the name is written with its package."""
    return "." in name or any(name in public_names(package) for package in packages())


def _module(package: str) -> ModuleType:
    with mock(list(ABSENT)):
        return importlib.import_module(package)


def page(package: str) -> str:
    """Return the page of a package: its docstring, and directives by which Sphinx reads the docstrings of its names."""
    module = _module(package)
    lines = [f".. py:module:: {package}", "", *linked(inspect.cleandoc(module.__doc__ or "").splitlines(), package)]
    parts = [f"# {package}", _rst(lines)]
    by_kind: dict[str, list[str]] = {kind: [] for kind in _HEADINGS}
    for name in public_names(package):
        by_kind[_kind(getattr(module, name))].append(name)
    for kind, names in by_kind.items():
        if names:
            parts.append(f"## {_HEADINGS[kind]}")
            parts += [_rst(_directive(kind, package, name, getattr(module, name))) for name in names]
    return "\n\n".join(parts) + "\n"


def linked(lines: list[str], place: str) -> list[str]:
    """Return lines of a docstring in which code in single backticks is a link, if it is a public name.

    A name of the package of `place` is preferred. One that several other packages have is no link, nor is a module.
    """
    return [_CODE.sub(lambda found: _marked(found[1], place), line) for line in lines]


def _marked(text: str, place: str) -> str:
    name = text.partition(".")[0]
    owners = [package for package in packages() if name in public_names(package)]
    here = [package for package in owners if f"{place}.".startswith(f"{package}.")]
    is_module = ROOT.joinpath(*place.split("."), f"{name}.py").exists()
    owners = here[-1:] or ([] if is_module else owners)
    return f":py:obj:`{text} <{owners[0]}.{text}>`" if len(owners) == 1 else f"``{text}``"


def _kind(value: Any) -> str:
    if inspect.isclass(value):
        return "exception" if issubclass(value, BaseException) else "class"
    return "function" if callable(value) else "data"


def _directive(kind: str, package: str, name: str, value: Any) -> list[str]:
    if kind == "data":
        return [
            f".. py:data:: {name}",
            f"   :module: {package}",
            "",
            *(f"   {line}" for line in _comment(name, value)),
            "",
        ]
    members = ["   :members:"] if kind in ("class", "exception") else []
    signature = stubs.signature_of(value)
    return [f".. auto{kind}:: {package}.{name}{signature[0] if signature else ''}", *members, ""]


def _comment(name: str, value: Any) -> list[str]:
    """Return the comment ``#:`` before a constant; it is in the module that defines the constant."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("cfdns_fast") and vars(module).get(name) is value:
            try:
                comments = ModuleAnalyzer.for_module(module.__name__).find_attr_docs()
            except PycodeError:
                continue
            if ("", name) in comments:
                return [*linked(comments["", name], module.__name__), *_value(value)]
    return _value(value)


def _value(value: Any) -> list[str]:
    """Return a line with a short value."""
    text = repr(sorted(value) if isinstance(value, (set, frozenset)) else value)
    return [f"Value: ``{text}``"] if len(text) < 400 and " at 0x" not in text else []


def _rst(lines: list[str]) -> str:
    return "```{eval-rst}\n" + "\n".join(lines).rstrip() + "\n```"
