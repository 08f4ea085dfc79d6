"""What the server reports: the protocol that the metrics implement, and an implementation that drops everything."""

from __future__ import annotations

from typing import Protocol

__all__ = ["NoObserver", "Observer"]


class Observer(Protocol):
    """Counts and gauges of the server. The event loop's thread calls all methods; they must not block or raise."""

    def request(self, code: int, path: str, seconds: float) -> None:
        """Count an answer. The path is a configured path or ``other``; the time is from headers to answer."""

    def refused(self, reason: str) -> None:
        """Count a request that was refused, by the word of its answer (`answers.Answer.word`).

        Connections that are closed without an answer are ``tls`` (no handshake) and ``request`` (too long headers).
        """

    def received(self, compressed_bytes: int, decoded_bytes: int, records: int) -> None:
        """Count a batch that was acknowledged, also if it is a duplicate."""

    def duplicate(self) -> None:
        """Count a batch that was stored before; `received` is called as well."""

    def in_flight(self, size_bytes: int) -> None:
        """Set the compressed bytes of the requests that are being received or stored."""

    def connections(self, count: int) -> None:
        """Set the number of open connections."""


class NoObserver:
    """An observer that drops everything."""

    def request(self, code: int, path: str, seconds: float) -> None:
        pass

    def refused(self, reason: str) -> None:
        pass

    def received(self, compressed_bytes: int, decoded_bytes: int, records: int) -> None:
        pass

    def duplicate(self) -> None:
        pass

    def in_flight(self, size_bytes: int) -> None:
        pass

    def connections(self, count: int) -> None:
        pass
