"""Convert timestamps of Logpush to UTC text. Part of the specification."""

from __future__ import annotations

import decimal
import re
from datetime import datetime, timedelta
from decimal import Decimal

__all__ = ["epoch_ns", "rfc3339_ns", "utc_text"]

_POWER_TO_NS = {"s": 9, "ms": 6, "us": 3, "ns": 0}

# 1e11 s is the year 5138 and 1e11 ms is 1973, so the units of current timestamps do not overlap.
_AUTO_UNITS = ((Decimal("1e11"), "s"), (Decimal("1e14"), "ms"), (Decimal("1e17"), "us"))

_NUMBER = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)(?:[eE]([+-]?)([0-9]+))?")

# RFC 3339 section 5.6, with the lower case and the space that its notes allow, and +HHMM of ISO 8601's basic form.
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))"
)

# With maximum precision and exponents, only the explicit floor rounds.
_EXACT = decimal.Context(
    prec=decimal.MAX_PREC, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, rounding=decimal.ROUND_FLOOR
)
# With a longer exponent, no coefficient that fits into memory gives a year from 1 to 9999.
_EXPONENT_DIGITS = 12

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US = (datetime.min - _EPOCH) // _MICROSECOND
_LAST_US = (datetime.max - _EPOCH) // _MICROSECOND


def epoch_ns(number: str, unit: str) -> int | None:
    """Return a number of seconds, or of fractions of a second, since 1970 in nanoseconds.

    Parameters
    ----------
    number : str
        ``[+-]?digits[.digits][e[+-]digits]`` in ASCII, leading zeros allowed. Every JSON number has this form.
    unit : str
        One of `options.TIMESTAMP_UNITS`; "auto" decides by the magnitude of the number.

    Returns
    -------
    int or None
        The nanoseconds, floored. None if the year is not from 1 to 9999.

    Raises
    ------
    ValueError
        `number` has another form.
    """
    value = _exact(number)
    if unit == "auto":
        unit = next((name for limit, name in _AUTO_UNITS if value.copy_abs() < limit), "ns")
    value_ns = value.scaleb(_POWER_TO_NS[unit], context=_EXACT)
    if not value_ns:
        return 0
    # Check the range before the integer is computed: 1e999999999 has a billion digits.
    if value_ns.adjusted() > len(str(_LAST_US)) + 3:
        return None
    return _in_range(int(value_ns.to_integral_value(context=_EXACT)))


def _exact(number: str) -> Decimal:
    match = _NUMBER.fullmatch(number)
    if match is None:
        raise ValueError("not a decimal number")
    coefficient, sign, digits = match.group(1), match.group(2) or "", (match.group(3) or "").lstrip("0")
    exponent = int(digits or "0") if len(digits) <= _EXPONENT_DIGITS else 10**_EXPONENT_DIGITS
    return _EXACT.create_decimal(f"{coefficient}E{sign}{exponent}")


def rfc3339_ns(text: str) -> int | None:
    """Return an RFC 3339 date and time with an offset in nanoseconds since 1970, UTC.

    Parameters
    ----------
    text : str
        ``YYYY-MM-DD``, then ``T``, ``t`` or one space, ``HH:MM:SS``, a fraction of one or more digits or none, then
        ``Z``, ``z``, ``+HH:MM`` or ``+HHMM``. Further digits of the fraction are cut.

    Returns
    -------
    int or None
        As for `epoch_ns`. None also if the date or time does not exist, or for a leap second: second 60 has no number
        of seconds since 1970.

    Raises
    ------
    ValueError
        `text` has another form.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not RFC 3339 with an offset")
    *local, fraction, sign, offset_hours, offset_minutes = match.groups(default="")
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    if int(offset_hours or 0) > 23 or int(offset_minutes or 0) > 59:
        return None
    try:
        year, month, day, hour, minute, second = map(int, local)
        moment = datetime(year, month, day, hour, minute, second)
        moment += offset if sign == "-" else -offset
    except (ValueError, OverflowError):
        return None
    return _in_range((moment - _EPOCH) // _MICROSECOND * 1000 + int(fraction[:9].ljust(9, "0")))


def _in_range(value_ns: int) -> int | None:
    return value_ns if _FIRST_US <= value_ns // 1000 <= _LAST_US else None


def utc_text(value_ns: int, digits: int | None = None) -> str:
    """Return nanoseconds since 1970, of a year from 1 to 9999, as UTC text.

    Parameters
    ----------
    value_ns : int
        The time.
    digits : int or None
        9 for nine fraction digits; None for six, or none if they are zero.

    Returns
    -------
    str
        ``YYYY-MM-DDTHH:MM:SS[.ffffff]Z``, floored to microseconds, or to nanoseconds with nine digits.
    """
    value_us, rest_ns = divmod(value_ns, 1000)
    moment = _EPOCH + value_us * _MICROSECOND
    if digits is None:
        return moment.isoformat() + "Z"
    return f"{moment.isoformat(timespec='microseconds')}{rest_ns:03}Z"
