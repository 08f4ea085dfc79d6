"""The error of an input that cannot be read to its end."""

from __future__ import annotations

from ..errors import CfdnsError

__all__ = ["InputFault"]

_LAYERS = (None, "compressed input", "second layer", "third layer", "fourth layer", "fifth layer")


class InputFault(CfdnsError):
    """An input could not be read to its end. All bytes before the fault were yielded.

    Attributes
    ----------
    reason : str
        The cause, as text.
    byte_offset : int or None
        The offset of the fault in the stored input, or in the layer of compression; None if the input could not be
        opened.
    layer : int
        The layer of compression, 1 for the outermost one; 0 if the input is not compressed.
    """

    def __init__(self, reason: str, byte_offset: int | None = None, *, layer: int = 0) -> None:
        self.reason = reason
        self.byte_offset = byte_offset
        self.layer = layer
        of_what = f" of the {_LAYERS[layer]}" if layer else ""
        super().__init__(reason if byte_offset is None else f"{reason} (at byte {byte_offset}{of_what})")
