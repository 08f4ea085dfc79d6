"""Names of a package that are imported at first use, because what they need is optional or slow to import."""

# Type checkers treat this name as true. Importing the module typing takes longer than importing this one.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    namespace: "dict[str, Any]", modules: "Mapping[str, tuple[str, ...]]"
) -> "tuple[Callable[[str], Any], Callable[[], list[str]]]":
    """Return the functions `__getattr__` and `__dir__` of a package, as PEP 562 has them.

    `namespace` is what globals() returns in the package, and keeps each name after its first use. `modules` has the
    names of each module; modules are relative to the package, as ".outputs". Any thread may use a name first.
    """

    def get_attribute(name: str) -> "Any":
        from importlib import import_module

        for module, names in modules.items():
            if name in names:
                value = namespace[name] = getattr(import_module(module, namespace["__name__"]), name)
                return value
        raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")

    def list_names() -> list[str]:
        return sorted({*namespace, *namespace["__all__"]})

    return get_attribute, list_names
