"""The answers of the server: status codes, and short JSON bodies without any content of the request.

Logpush stores the body of a failed upload in the job's error message, so bodies hold one word and no secret.
"""

from __future__ import annotations

from typing import NamedTuple

from ..spool import MIN_DUPLICATE_BYTES, hash_of
from .examine import Examined

__all__ = ["ANSWERS", "NOTHING_STORED", "Answer", "refusal", "stored", "with_event_ids"]


class Answer(NamedTuple):
    """An answer: the status code, its reason phrase, the body, the word of the refusal ("" if it is a success), and
    more headers."""

    code: int
    phrase: str
    body: bytes
    word: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def as_bytes(self) -> bytes:
        """Return the answer as it is sent on a connection that is closed afterwards."""
        head = (
            f"HTTP/1.1 {self.code} {self.phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode("ascii") + self.body


def _refusal(code: int, phrase: str, word: str, *headers: tuple[str, str]) -> Answer:
    return Answer(code, phrase, b'{"error":"%s"}' % word.encode(), word, headers)


#: Every refusal by its word.
ANSWERS = {
    answer.word: answer
    for answer in (
        _refusal(400, "Bad Request", "request"),  # two lengths, a length and a transfer encoding, …
        _refusal(400, "Bad Request", "gzip"),  # truncated, damaged, or followed by other bytes
        _refusal(401, "Unauthorized", "key"),
        _refusal(403, "Forbidden", "address"),
        _refusal(404, "Not Found", "path"),
        _refusal(405, "Method Not Allowed", "method", ("Allow", "POST")),
        _refusal(408, "Request Timeout", "timeout"),
        _refusal(411, "Length Required", "length"),
        _refusal(413, "Content Too Large", "too_large"),
        _refusal(415, "Unsupported Media Type", "encoding", ("Accept-Encoding", "gzip")),
        _refusal(429, "Too Many Requests", "requests", ("Retry-After", "1")),
        _refusal(503, "Service Unavailable", "busy", ("Retry-After", "1")),
        _refusal(503, "Service Unavailable", "full", ("Retry-After", "30")),
        _refusal(503, "Service Unavailable", "failed", ("Retry-After", "5")),
    )
}

#: The answers to uploads without records, by `Settings.answer`.
NOTHING_STORED = {
    "short": Answer(200, "OK", b'{"accepted":0}'),
    "event_ids": Answer(200, "OK", b'{"event_ids":[]}'),
}


def refusal(word: str) -> Answer:
    """Return the refusal of this word."""
    return ANSWERS[word]


def stored(style: str, seq: int, examined: Examined, body_hash: bytes, *, is_duplicate: bool = False) -> Answer:
    """Return the answer to a batch that is on disk.

    Parameters
    ----------
    style : {"short", "event_ids"}
        `Settings.answer`.
    seq : int
        The number of the batch.
    examined : Examined
        The batch.
    body_hash : bytes
        The hash of the body as it was received.
    is_duplicate : bool
        Whether the batch was stored by an earlier request.
    """
    if style == "event_ids":
        if examined.decoded_bytes < MIN_DUPLICATE_BYTES:  # equal small bodies are different batches
            body_hash = hash_of(b"%b %d" % (body_hash, seq))
        return with_event_ids(body_hash, examined.records)
    duplicate = b',"duplicate":true' if is_duplicate else b""
    return Answer(200, "OK", b'{"accepted":%d,"batch":"%012d"%b}' % (examined.records, seq, duplicate))


def with_event_ids(body_hash: bytes, records: int) -> Answer:
    """Return an answer with one id for each record: 12 bytes of the hash and the position, in the shape of a UUID."""
    text = body_hash.hex()
    start = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:24]}"
    ids = '","'.join([f"{start}{position:08x}" for position in range(records)])
    return Answer(200, "OK", f'{{"event_ids":["{ids}"]}}'.encode())
