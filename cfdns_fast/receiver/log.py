"""The log: one line an event of the process, as text or as JSON, without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import TextIO

__all__ = ["LOGGER", "LineHandler", "UrlFilter", "configure_log", "redacted"]

LOGGER = logging.getLogger("cfdns_fast.receiver")

#: Longer messages are cut. The time of the expressions below grows with the square of the length.
MAX_TEXT = 4000

#: ``//user:password@`` and query strings of URLs, whose values can be secrets.
_USER_INFO = re.compile(r"(?<=://)[^\s/@]+@")
_QUERY = re.compile(r"(?<=[\w/\]])\?[^\s\"'<>]+=[^\s\"'<>]*")


class UrlFilter(logging.Filter):
    """Removes user information and query strings of URLs from every line, because they can hold secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if len(text) > MAX_TEXT:
            text = f"{text[:MAX_TEXT]}… ({len(text)} characters)"
        record.msg = redacted(text)
        record.args = None
        return True


def redacted(text: str) -> str:
    """Return the text without user information and query strings of URLs."""
    return _QUERY.sub("?***", _USER_INFO.sub("***@", text))


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes each record as one line. Control characters are escaped; a traceback becomes part of the line.

    Parameters
    ----------
    form : {"text", "json"}
    """

    def __init__(self, stream: TextIO, form: str) -> None:
        super().__init__(stream)
        self._form = form
        self.addFilter(UrlFilter())

    def format(self, record: logging.LogRecord) -> str:
        members: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": str(record.msg),
        }
        sink = getattr(record, "sink", None)
        if sink is not None:
            members["sink"] = sink
        fields = getattr(record, "fields", None)
        if fields:
            members.update(fields)
        if record.exc_info and record.exc_info[0] is not None:
            # The text of an unexpected error may hold record content; its type and place do not.
            members["error"] = _place(record)
        if self._form == "json":
            return json.dumps(members, ensure_ascii=False, default=str)
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        name = f"sink {sink}: " if sink else ""
        error = f" ({members['error']})" if "error" in members else ""
        return _printable(f"{members['time']} {level}{name}{members['message']}{error}")

    def handleError(self, record: logging.LogRecord) -> None:
        """Continue without a line that cannot be written: the log must not end the receiver."""


def configure_log(form: str, stream: TextIO | None = None) -> None:
    """Let all loggers of the process write lines to a stream, standard error by default."""
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(LineHandler(stream or sys.stderr, form))
    root.setLevel(logging.WARNING)
    logging.getLogger("cfdns_fast").setLevel(logging.INFO)


def _place(record: logging.LogRecord) -> str:
    assert record.exc_info is not None and record.exc_info[0] is not None
    trace = record.exc_info[2]
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
    return f"{record.exc_info[0].__name__}{where}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
