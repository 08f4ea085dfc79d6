"""The speed targets. Each is a ratio, or a difference, of two contenders in one interleaved run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .machine import has_vbmi2
from .timing import Contender, difference_ns, ratio

DIGITS = 3


@dataclass(frozen=True)
class Target:
    """The time of one contender per record as a multiple of the time of another.

    Attributes
    ----------
    name : str
        The name of the target.
    over, under : str
        Keys of contenders: the ratio is the time of `over` divided by the time of `under`. `over` may be several keys
        separated by "|", of which the slowest contender counts.
    required : float
        The limit of the ratio.
    at_most : bool
        The ratio must be at most `required`; otherwise at least `required`.
    stage : {"now", "later"}
        "now" if this version must reach the target. A target of stage "later" is reported and does not fail a run.
    unit : {"x", "ns"}
        "ns": not the ratio, but how much longer `over` takes for a record than `under`.
    """

    name: str
    over: str
    under: str
    required: float
    at_most: bool
    stage: str
    unit: str = "x"


def _faster(name: str, peer: str, ours: str, required: float, stage: str = "now") -> Target:
    return Target(name, peer, ours, required, False, stage)


def _within(name: str, ours: str, bound: str, required: float) -> Target:
    return Target(name, ours, bound, required, True, "now")


def _kept(name: str, detecting: str, required: float, stage: str = "now") -> Target:
    """Return the share of the rate that a conversion keeps if it looks for something."""
    plain = "ours.ndjson_distinct" if detecting.endswith("_distinct") else "ours.ndjson"
    return Target(name, plain, f"ours.detecting_{detecting}", required, False, stage)


def targets() -> tuple[Target, ...]:
    """Return all targets. One depends on the CPU, because escaping of the message is faster with AVX-512 VBMI2."""
    with_message = 2.0 if has_vbmi2() else 2.2
    orjson, msgspec, chdb = "orjson_dict.ndjson", "msgspec_tuned.ndjson", "clickhouse_chdb.ndjson"
    return (
        _within("to_ndjson_of_floor", "ours.ndjson", "floor.typical", with_message),
        _within("to_ndjson_without_message_of_floor", "ours.ndjson_without_message", "floor.typical", 1.8),
        _within("to_arrow_of_floor", "ours.arrow", "floor.typical", 1.8),
        _within("to_ndjson_distinct_of_floor", "ours.ndjson_distinct", "floor.distinct", 2.1),
        _within("to_ndjson_batches_of_bulk", "ours.ndjson_batches", "ours.ndjson", 1.1),
        _within("to_ndjson_distinct_batches_of_bulk", "ours.ndjson_distinct_batches", "ours.ndjson_distinct", 1.1),
        _faster("to_ndjson_over_orjson", orjson, "ours.ndjson", 20),
        # Beyond the requirements: a peer needs no own suffix walk, and a stream has names that are in no cache.
        _faster("to_ndjson_over_orjson_tuned", "orjson_tuned.ndjson", "ours.ndjson", 20, "later"),
        _faster("to_ndjson_over_orjson_names_known", f"{orjson}_names_known", "ours.ndjson", 20, "later"),
        _faster("to_ndjson_over_msgspec_tuned", msgspec, "ours.ndjson", 14),
        _faster("to_ndjson_over_chdb", chdb, "ours.ndjson", 9),
        _faster("iter_dicts_over_orjson", "orjson_dict.iter_dicts", "ours.iter_dicts", 3.8),
        _faster("iter_dicts_kept_over_orjson", "orjson_dict.kept_dicts", "ours.kept_dicts", 3.5),
        _faster("to_dicts_1000_over_orjson", "orjson_dict.list_dicts", "ours.list_dicts", 2.5),
        _faster("two_threads_of_two_processes", "ours.two_processes", "ours.two_threads", 0.93),
        _faster("gzip_of_slower_half", "ours.gzip_blocks|ours.plain_blocks", "ours.gzip_to_ndjson", 0.9),
        # The same code runs, so this ratio shows the noise of the others.
        _kept("rate_kept_with_empty_detect", "off", 0.97),
        _kept("rate_kept_with_sliver_and_1m_names", "1m", 0.90),
        _kept("rate_kept_with_sliver_and_1m_names_distinct", "1m_distinct", 0.87),
        _kept("rate_kept_with_sliver_and_2m_names", "2m", 0.87),
        _kept("rate_kept_with_sliver_and_2m_names_distinct", "2m_distinct", 0.87),
        _kept("rate_kept_with_28_rules_too", "rules", 0.80),
        _kept("rate_kept_with_28_rules_too_distinct", "rules_distinct", 0.80),
        _kept("rate_kept_with_28_rules_too_stretch", "rules", 0.85, "later"),
        # A difference of two times has the noise of both, so that it fails no run.
        Target("miss_of_2m_names", "ours.detecting_names_2m", "ours.ndjson", 25, True, "later", "ns"),
    )


def _why_missing(key: str, contenders: Mapping[str, Contender], absent: Mapping[str, str]) -> str:
    if key in contenders:
        return contenders[key].skipped
    return absent.get(key.partition(".")[0], f"{key} did not take part")


def judge(
    target: Target, contenders: Mapping[str, Contender], absent: Mapping[str, str], margin: float = 1.0
) -> dict[str, Any]:
    """Return the outcome of a target as a JSON object.

    `value` and `pass` are null if a contender cannot run on this system. `pass` is false if its answers are wrong.

    Parameters
    ----------
    target : Target
        The target.
    contenders : Mapping of str to Contender
        The contenders by key, after the measurement.
    absent : Mapping of str to str
        The reasons why contenders are missing, by the first part of the key.
    margin : float
        Share of the required ratio that is enough, above 0 and at most 1.
    """
    outcome: dict[str, Any] = {
        "name": target.name,
        "value": None,
        "required": target.required,
        "pass": None,
        "direction": "at most" if target.at_most else "at least",
        "stage": target.stage,
        "unit": target.unit,
        "over": target.over,
        "under": target.under,
    }
    for key in (*target.over.split("|"), target.under):
        reason = _why_missing(key, contenders, absent) if key not in contenders or contenders[key].skipped else ""
        if reason:
            outcome["reason"] = reason
            # Wrong answers fail the target, and a missing contender does not.
            outcome["pass"] = False if key in contenders else outcome["pass"]
    if "reason" in outcome:
        return outcome
    over = max((contenders[key] for key in target.over.split("|")), key=Contender.ns_per_record)
    under = contenders[target.under]
    found = difference_ns(over, under) if target.unit == "ns" else ratio(over, under)
    outcome["value"] = round(found.value, DIGITS)
    reached = found.value <= target.required / margin if target.at_most else found.value >= target.required * margin
    outcome["pass"] = reached
    outcome["low"], outcome["high"] = round(found.low, DIGITS), round(found.high, DIGITS)
    outcome["medians_value"] = round(found.medians, DIGITS)
    outcome["minima_value"] = round(found.minima, DIGITS)
    outcome["cpu_time_value"] = found.cpu and round(found.cpu, DIGITS)
    outcome["rounds"] = len(over.wall_seconds)
    outcome["ns_per_record"] = [round(over.ns_per_record(), 1), round(under.ns_per_record(), 1)]
    return outcome
