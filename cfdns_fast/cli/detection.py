"""The detection of a run: detectors from options, and the file of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import CfdnsError

if TYPE_CHECKING:
    from .. import Result
    from ..detect import Alerts
    from ..io.outputs import Output

__all__ = ["BUILT_IN", "AlertsOutput", "DetectionError", "detectors_of"]

#: What --detect can name.
BUILT_IN = ("sliver",)


class DetectionError(CfdnsError, ValueError):
    """A feed or a rule cannot be used, or a library for it is not installed."""


def detectors_of(
    built_in: Sequence[str],
    indicators: Sequence[str],
    rules: Sequence[str],
    *,
    allow: Sequence[str] = (),
    min_confidence: int = 0,
    addresses: bool = False,
) -> tuple[tuple[Any, ...], list[str]]:
    """Return the detectors of a run (`matching.Detector`), and lines that say what was loaded.

    Parameters
    ----------
    built_in : sequence of str
        Names of `BUILT_IN`.
    indicators, rules : sequence of str
        Files of feeds; files and folders of Sigma rules.
    allow, min_confidence, addresses
        As for `Indicators.load`.

    Raises
    ------
    DetectionError
        One of them cannot be loaded.
    """
    made: list[Any] = []
    notes: list[str] = []
    # Imported here, because most runs look for nothing.
    try:
        if built_in:
            from ..detect import Sliver

            made.append(Sliver())
        if indicators:
            from ..detect import Indicators

            loaded = Indicators.load(*indicators, allow=allow, min_confidence=min_confidence, addresses=addresses)
            made.append(loaded)
            notes += str(loaded.report).splitlines()
        if rules:
            from ..detect import Rules

            of_rules = Rules.load(*rules)
            made.append(of_rules)
            notes += [f"rules: {len(of_rules)}", *map(str, of_rules.warnings)]
    except (CfdnsError, ImportError) as error:
        raise DetectionError(str(error)) from error
    return tuple(made), notes


class AlertsOutput:
    """The output of alerts.

    To a file, each alert is written once, when its window ends; the file appears when all inputs are converted. An
    output that is read while it is written (a FIFO, standard output) has each alert at once as well.

    Parameters
    ----------
    detectors : sequence of matching.Detector
        What the normalizer has.
    output : Output
        Not open yet.
    """

    def __init__(self, detectors: Sequence[Any], output: Output) -> None:
        self.output = output
        self._detectors = detectors
        self._alerts: Alerts | None = None

    def start(self) -> None:
        """Begin, after the output was opened."""
        from ..detect import Alerts

        self._alerts = Alerts(self._detectors, at_once=self.output.is_direct)

    def take(self, result: Result[bytes]) -> None:
        """Write the alerts of a result; raises OutputFault."""
        if result.detections and self._alerts is not None:
            self._write(self._alerts.take(result))

    def finish(self) -> None:
        """Write all alerts that are still open; raises OutputFault."""
        if self._alerts is not None:
            self._write(self._alerts.flush())

    def counts(self) -> dict[str, int]:
        """Return the counts of the summary."""
        alerts = self._alerts
        if alerts is None:
            return {"documents": 0, "detections": 0, "not_kept": 0}
        return {"documents": alerts.documents, "detections": alerts.findings, "not_kept": alerts.not_kept}

    def _write(self, lines: list[bytes]) -> None:
        if lines:
            self.output.write(b"".join(lines))
