"""Signatures of compiled classes, from their stub: the module itself knows few of them, and none in Python's form."""

from __future__ import annotations

import ast
import copy
from functools import cache
from typing import Any

from pages import ROOT

_STUB = ROOT / "cfdns_fast" / "_core" / "boundary.pyi"
_CONSTRUCTORS = ("__new__", "__init__")


def signature_of(value: Any) -> tuple[str, str | None] | None:
    """Return the parameters and the result of a compiled class or method; None of any other object."""
    if not callable(value) or getattr(value, "__module__", None) != "cfdns_fast._core.boundary":
        return None
    return _signatures().get(value.__qualname__)


@cache
def _signatures() -> dict[str, tuple[str, str | None]]:
    """Return the parameters and the result of each class and method of the stub, by ``Class`` and ``Class.method``."""
    found: dict[str, tuple[str, str | None]] = {}
    for part in ast.parse(_STUB.read_text(encoding="utf-8")).body:
        if isinstance(part, ast.ClassDef):
            for method in part.body:
                if isinstance(method, ast.FunctionDef) and not _is_overload(method):
                    is_constructor = method.name in _CONSTRUCTORS
                    result = None if is_constructor or method.returns is None else ast.unparse(method.returns)
                    name = part.name if is_constructor else f"{part.name}.{method.name}"
                    found[name] = (f"({_parameters(method)})", result)
    return found


def _is_overload(method: ast.FunctionDef) -> bool:
    return any("overload" in ast.unparse(each) for each in method.decorator_list)


def _parameters(method: ast.FunctionDef) -> str:
    """Return the parameters without ``self`` or ``cls``."""
    arguments = copy.deepcopy(method.args)
    if any("staticmethod" in ast.unparse(each) for each in method.decorator_list):
        return ast.unparse(arguments)
    (arguments.posonlyargs or arguments.args).pop(0)
    return ast.unparse(arguments)
