"""Keep content of requests out of the log: tornado's messages quote headers, and tracebacks quote values."""

from __future__ import annotations

import logging
import time
import traceback

__all__ = ["Redaction", "install"]

_LOGGERS = ("tornado.access", "tornado.application", "tornado.general", "asyncio")

#: An error that repeats is logged once in this time: a fault of a listening socket repeats in each round of the loop.
REPEAT_S = 60.0
MAX_PLACES = 1000


class Redaction(logging.Filter):
    """Drops what a client can cause, reduces each exception to its type and line, and drops repeats."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for messages below ERROR: they are about malformed requests and failed TLS handshakes."""
        if record.levelno < logging.ERROR:
            return False
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            line = f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
            number = f" {error.errno}" if isinstance(error, OSError) and error.errno else ""
            record.msg = f"{record.name}: {type(error).__name__}{number}{line}"
        else:
            record.msg = f"{record.name}: an error without an exception"
        record.args, record.exc_info, record.exc_text, record.stack_info = (), None, None, None
        return self._is_due(record.msg)

    def _is_due(self, text: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._logged_s.get(text, -REPEAT_S) < REPEAT_S:
            return False
        if len(self._logged_s) >= MAX_PLACES:
            self._logged_s.clear()
        self._logged_s[text] = now_s
        return True


def install() -> None:
    """Filter the loggers of the HTTP server. Further calls change nothing."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, Redaction) for each in logger.filters):
            logger.addFilter(Redaction())
