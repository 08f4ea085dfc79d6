"""Errors of object stores as StoreError: the cause in one sentence, because the texts of libraries are long."""

from __future__ import annotations

import re

from ..io.paths import text_of
from .errors import StoreError

__all__ = ["store_error"]

_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,80})</Code>")
_INVALID_KEY = re.compile(r'Path "(.+?)"(?: contained|: Encountered)', re.DOTALL)

_EXPIRED = "the credentials have expired"
_WRONG = "the credentials are wrong"
_CLOCK = "the clock of this machine is wrong, so that the store refuses its signatures"
_NO_BUCKET = "there is no such bucket"
_REGION = "the bucket is in another region; set --region or AWS_REGION"
_FULL = "its quota is used up"

#: Codes of S3 (and of stores that are compatible with it), Google Cloud Storage and Azure.
_BY_CODE = {
    "ExpiredToken": ("store.denied", _EXPIRED),
    "ExpiredTokenException": ("store.denied", _EXPIRED),
    "TokenRefreshRequired": ("store.denied", _EXPIRED),
    "InvalidAccessKeyId": ("store.denied", _WRONG),
    "InvalidToken": ("store.denied", _WRONG),
    "SignatureDoesNotMatch": ("store.denied", _WRONG),
    "AuthenticationFailed": ("store.denied", "the credentials are wrong, or the clock of this machine is"),
    "RequestTimeTooSkewed": ("store.denied", _CLOCK),
    "RequestExpired": ("store.denied", _CLOCK),
    "AllAccessDisabled": ("store.denied", "access is disabled"),
    "NoSuchBucket": ("store.missing", _NO_BUCKET),
    "ContainerNotFound": ("store.missing", _NO_BUCKET),
    "ContainerBeingDeleted": ("store.missing", _NO_BUCKET),
    "PermanentRedirect": ("store.settings", _REGION),
    "AuthorizationHeaderMalformed": ("store.settings", _REGION),
    "IllegalLocationConstraintException": ("store.settings", _REGION),
    "KeyTooLongError": ("store.unsupported", "the key is too long"),
    "InvalidObjectName": ("store.unsupported", "the store does not accept the key"),
    "InvalidObjectState": ("store.unsupported", "the object is in an archive and must be restored first"),
    "NotImplemented": ("store.unsupported", "the store does not have this operation"),
    "QuotaExceeded": ("store.full", _FULL),
    "InsufficientStorage": ("store.full", "it is full"),
    "XMinioStorageFull": ("store.full", "it is full"),
}
#: Names of the exceptions of obstore, which this module does not import.
_BY_NAME = {
    "FileNotFoundError": ("store.missing", "there is no such object or bucket"),
    "NotFoundError": ("store.missing", "there is no such object or bucket"),
    "PreconditionError": ("store.changed", "the object has changed since it was listed"),
    "PermissionDeniedError": ("store.denied", "access is denied"),
    "UnauthenticatedError": ("store.denied", "the credentials are missing or wrong"),
    "NotSupportedError": ("store.unsupported", "the store does not have this operation"),
    "NotImplementedError": ("store.unsupported", "the store does not have this operation"),
    "InvalidPathError": (
        "store.unsupported",
        "a key with two slashes in a row, the part '.' or '..', or a control character is not supported",
    ),
    "UnknownConfigurationKeyError": ("store.settings", "this version of obstore does not know an option"),
}
_BY_STATUS = {
    "401": ("store.denied", "the credentials are missing or wrong"),
    "403": ("store.denied", "access is denied"),
    "404": ("store.missing", "there is no such object or bucket"),
    "412": ("store.changed", "the object has changed since it was listed"),
    "501": ("store.unsupported", "the store does not have this operation"),
    "507": ("store.full", "it is full"),
}
#: Parts of texts in lower case, in this order. Texts have the URL of the request too, so that the parts are long.
_BY_TEXT = (
    ("latest/api/token", ("store.denied", "there are no credentials in the environment")),
    ("latest/meta-data", ("store.denied", "there are no credentials in the environment")),
    ("computemetadata", ("store.denied", "there are no credentials in the environment")),
    ("metadata/identity", ("store.denied", "there are no credentials in the environment")),
    ("redirect without location", ("store.settings", _REGION)),
    (
        "must be specified",
        ("store.settings", "the name of the storage account is not set (AZURE_STORAGE_ACCOUNT_NAME)"),
    ),
    ("relative url", ("store.settings", "the endpoint is not a URL")),
    ("builder error", ("store.settings", "the endpoint is not a URL that can be used")),
    ("kind: timeout", ("store.unavailable", "the store did not answer in time")),
    ("dns error", ("store.unavailable", "the name of the host cannot be resolved")),
    ("kind: connect", ("store.unavailable", "no connection to the store is possible")),
)


def store_error(error: BaseException, action: str, place: str) -> StoreError:
    """Return the error for an exception of obstore.

    Parameters
    ----------
    action : str
        What could not be done, for example ``"read"``.
    place : str
        The object or the store, for messages.
    """
    text = str(error)
    status, codes = _STATUS.search(text), _CODE.findall(text)
    known = next((_BY_CODE[code] for code in codes if code in _BY_CODE), None)
    if known is None:
        by_text = next((value for part, value in _BY_TEXT if part in text.lower()), None)
        known = _BY_NAME.get(type(error).__name__)
        if known is None and status is not None:
            known = _BY_STATUS.get(status[1])
        if known is None and by_text is not None:
            known = by_text
        if known is None:
            known = "store.unavailable", "the store answers with an error" if status else "there is no usable answer"
    answer = f" (status {status[1]}{f', {codes[0]}' if codes else ''})" if status else ""
    code, reason = known
    if type(error).__name__ == "InvalidPathError" and (key := _INVALID_KEY.search(text)):
        answer = f" ({text_of(key[1])!r})"
    return StoreError(code, f"cannot {action} {place}: {reason}{answer}")
