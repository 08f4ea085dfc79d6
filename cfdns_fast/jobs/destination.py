"""Destinations of a job: the text destination_conf of the API, built from parts that are checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from .errors import JobSettingError
from .keys import Secret
from .redact import redacted_destination

__all__ = [
    "DEFAULT_KEY_HEADER",
    "Bucket",
    "Destination",
    "base_of",
    "given_destination",
    "is_same_destination",
    "r2_destination",
    "receiver_destination",
    "s3_destination",
    "sekoia_url",
]

DEFAULT_KEY_HEADER = "X-SEKOIAIO-INTAKE-KEY"
DEFAULT_PATH = "/plain/batch"

#: The limit of the API's schema.
_MAX_CONF_CHARACTERS = 4096
#: A part of the tokens of RFC 9110, because the rest (# % & +) has a meaning in a URL.
_HEADER_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
#: Logpush sets these headers itself, and HTTP libraries refuse or double them.
_OWN_HEADERS = frozenset(
    ("connection", "content-encoding", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade")
)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}")
_WORD = re.compile(r"[A-Za-z0-9-]{1,64}")
#: Schemes whose destinations need no ownership challenge: they hold a key of their own.
_WITHOUT_CHALLENGE = frozenset(("https", "r2", "datadog", "splunk"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """The bucket of an S3 destination, in which Cloudflare writes the ownership challenge."""

    name: str
    region: str


@dataclass(frozen=True, slots=True, repr=False)
class Destination:
    """A destination.

    Attributes
    ----------
    parts : tuple of str and Secret
        Their texts, one after the other, are the destination_conf.
    bucket : Bucket or None
        Where an ownership challenge can be read by this package.
    """

    parts: tuple[str | Secret, ...]
    bucket: Bucket | None = None

    def __post_init__(self) -> None:
        if len(self.conf) > _MAX_CONF_CHARACTERS:
            raise _invalid(f"the destination has {len(self.conf)} characters, and {_MAX_CONF_CHARACTERS} are allowed")

    def __repr__(self) -> str:
        return f"Destination({redacted_destination(self.conf)!r})"

    @property
    def conf(self) -> str:
        """The destination_conf, with its secrets."""
        return "".join(part.in_url if isinstance(part, Secret) else part for part in self.parts)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts of all secrets."""
        return tuple(part.value for part in self.parts if isinstance(part, Secret))

    @property
    def needs_ownership(self) -> bool:
        """Whether Cloudflare asks for a challenge that it writes to the destination first."""
        scheme, _, rest = self.conf.partition("://")
        return scheme not in _WITHOUT_CHALLENGE and "access-key-id=" not in rest


def receiver_destination(url: str, key: Secret | None, header: str = DEFAULT_KEY_HEADER) -> Destination:
    """Return the destination of an HTTP receiver.

    Parameters
    ----------
    url : str
        ``https://HOST[:PORT]/PATH``; without a path it is /plain/batch. Other parameters are kept.
    key : Secret or None
        The value of the header; None if the receiver requires none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid("the URL of the receiver cannot be read") from None
    if parts.scheme.lower() != "https":
        raise _invalid("the URL of the receiver must begin with https://, because Logpush sends to no other")
    if "@" in parts.netloc:
        raise _invalid("the URL of the receiver must not hold a user or password; use --key-file")
    if "#" in url:
        raise _invalid("the URL of the receiver must not have a part after #; write %23")
    if not parts.hostname:
        raise _invalid("the URL of the receiver has no host")
    host = _host(parts.hostname)
    path = _path(parts.path)
    own = _parameters(parts.query)
    start = f"https://{host}{'' if port is None else f':{port}'}{path}"
    query = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in own]
    if key is not None:
        if not _HEADER_NAME.fullmatch(header) or header.lower() in _OWN_HEADERS:
            raise _invalid(f"{header!r} cannot be the header of the key: use letters, digits, - and _")
        query.append(f"header_{header}=")
    names = [part.partition("=")[0].lower() for part in query]
    for name in names:
        if names.count(name) > 1:
            raise _invalid(f"the parameter {name} is in the destination twice (header names have no case)")
    if query:
        start += "?" + "&".join(query)
    return Destination((start,) if key is None else (start, key))


def sekoia_url(region: str = "fra1") -> str:
    """Return the URL of Sekoia.io's own endpoint in a region."""
    region = region.lower()
    if not re.fullmatch(r"[a-z]{2,8}[0-9]{1,2}", region):
        raise _invalid(f"{region!r} is not a region of Sekoia.io, such as fra1 or mco1")
    if region == "fra1":
        return "https://intake.sekoia.io/plain/batch"
    return f"https://intake.{region}.sekoia.io/api/v1/intake-http/plain/batch"


def r2_destination(bucket: str, account_id: str, keys: tuple[Secret, Secret]) -> Destination:
    """Return a destination in Cloudflare R2: ``BUCKET/PATH``, where ``{DATE}`` in the path is a folder a day."""
    if not re.fullmatch(r"[0-9a-f]{32}", account_id):
        raise _invalid("the account of R2 is given by its id, which has 32 hexadecimal digits")
    _, path = _bucket(bucket)
    start = f"r2://{path}?account-id={account_id}&access-key-id="
    return Destination((start, keys[0], "&secret-access-key=", keys[1]))


def s3_destination(
    bucket: str,
    region: str,
    *,
    encrypted: bool = False,
    endpoint: str | None = None,
    keys: tuple[Secret, Secret] | None = None,
) -> Destination:
    """Return a destination in Amazon S3, or in an S3-compatible store with its endpoint and keys.

    Parameters
    ----------
    bucket : str
        ``BUCKET/PATH``; ``{DATE}`` in the path is a folder a day.
    endpoint : str or None
        The host of a compatible store. Then `keys` are required, and there is no ownership challenge.
    """
    if not _WORD.fullmatch(region):
        raise _invalid(f"{region!r} is not a region")
    if (endpoint is None) != (keys is None):
        raise _invalid("an endpoint and access keys belong together; Amazon S3 has neither")
    name, path = _bucket(bucket)
    start = f"s3://{path}?region={region}" + ("&sse=AES256" if encrypted else "")
    if endpoint is None or keys is None:
        return Destination((start,), Bucket(name, region))
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", endpoint):
        raise _invalid("the endpoint is a host name without https:// and without a path")
    end = f"&endpoint={quote(endpoint, safe='')}"
    return Destination((f"{start}&access-key-id=", keys[0], "&secret-access-key=", keys[1], end))


def given_destination(conf: Secret) -> Destination:
    """Return a destination whose whole text is given, for the kinds that have no option of their own."""
    text = conf.value
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[!#-&(-;=?-\[\]^_`a-~]+", text):
        raise _invalid("the file of the destination must hold one URL without spaces, quotes and < > \\")
    found = re.fullmatch(r"s3://([^/?]+)[^?]*\?(?:.*&)?region=([A-Za-z0-9-]+).*", text)
    return Destination((conf,), Bucket(found[1], found[2]) if found else None)


def base_of(conf: str) -> str:
    """Return where a destination is, without its parameters."""
    base = conf.partition("?")[0]
    scheme, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{unquote(path)}"


def is_same_destination(one: str, other: str) -> bool:
    """Whether two texts are the same destination, which may be encoded differently or have another order."""
    return base_of(one) == base_of(other) and _normal_parameters(one) == _normal_parameters(other)


def _normal_parameters(conf: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in conf.partition("?")[2].split("&") if part)
    return sorted((unquote(name).lower(), unquote(value)) for name, _, value in pairs)


def _host(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return f"[{address}]" if address.version == 6 else str(address)
    try:
        encoded = host.encode("idna").decode("ascii")
    except UnicodeError:
        encoded = ""
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?\.?", encoded, re.IGNORECASE):
        raise _invalid("the host of the receiver is not a host name")
    return encoded


def _path(path: str) -> str:
    if _BROKEN_ESCAPE.search(path):
        raise _invalid("the path of the receiver has a % that is not followed by two hexadecimal digits")
    return quote(path, safe="/%:@!$&'()*,;=~").replace("'", "%27") if path not in ("", "/") else DEFAULT_PATH


def _parameters(query: str) -> Sequence[tuple[str, str]]:
    if _BROKEN_ESCAPE.search(query):
        raise _invalid("a parameter of the receiver has a % that is not followed by two hexadecimal digits")
    # Logpush takes + as itself, not as a space.
    pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    for name, value in pairs:
        header = name.lower().removeprefix("header_") if name.lower().startswith("header_") else None
        if header is not None and (not _HEADER_NAME.fullmatch(header) or header in _OWN_HEADERS):
            raise _invalid(f"the parameter {name} names a header that a destination cannot set")
        if re.search(r"[\x00-\x1f\x7f]", name + value):
            raise _invalid("a parameter of the receiver has a control character")
    return pairs


def _bucket(text: str) -> tuple[str, str]:
    """Return the name of a bucket, and its path encoded for a destination."""
    name, _, path = text.removesuffix("/").partition("/")
    if not _BUCKET.fullmatch(name):
        raise _invalid(f"{name!r} is not the name of a bucket; give BUCKET or BUCKET/PATH")
    if "//" in f"/{path}" or re.search(r"[\x00-\x1f\x7f]", path):
        raise _invalid("the path in the bucket has an empty part or a control character")
    return name, quote(f"{name}/{path}".rstrip("/"), safe="/{}=~!:@")


def _invalid(text: str) -> JobSettingError:
    return JobSettingError("destination.invalid", text)
