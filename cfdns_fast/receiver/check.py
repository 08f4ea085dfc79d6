"""Check settings without receiving anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from ..sinks import SinkInfo, SinkSettingError, check_sink
from ..spool import StateError, StateFolder, positions
from .addresses import bind, exposure
from .keys import load_keys
from .pieces import normalizer_of
from .settings import Settings, SettingsError, SinkSettings, parse_listen
from .sink_task import SinkTask
from .tls import load_tls

__all__ = ["check_settings", "check_sinks"]


def check_sinks(settings: Settings) -> None:
    """Raise SettingsError if a sink cannot be used. Connects to nothing."""
    for sink in settings.sinks:
        _checked(sink)
    if settings.detect.is_used:
        from .detectors import check_libraries

        check_libraries(settings.detect)
        _check_annotations(settings)


def check_settings(settings: Settings, say: Callable[[str], object]) -> int:
    """Say one line for each part of the settings; returns 0 if all can be used, and 2 otherwise. Changes nothing."""
    code = 0
    checks: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("listen", lambda: _listen(settings)),
        ("keys", lambda: _keys(settings)),
        ("tls", lambda: _tls(settings)),
        ("state", lambda: _state(settings)),
    ]
    checks += [(f"sink {sink.name}", lambda sink=sink: _sink(sink)) for sink in settings.sinks]  # type: ignore[misc]
    if settings.detect.is_used:
        checks.append(("detect", lambda: _detect(settings)))
    say(f"configuration: ok, paths {', '.join(settings.paths)}")
    for name, check in checks:
        try:
            for text in check():
                say(f"{name}: {text}")
        except (SettingsError, StateError) as error:
            say(f"{name}: {str(error).removeprefix(f'{name}: ')}")
            code = 2
    return code


def _listen(settings: Settings) -> Iterator[str]:
    address = parse_listen(settings.listen)
    yield f"ok, {settings.listen}"
    # A receiver that runs and a socket unit hold the address, so that this is no fault. Unix sockets are not tried,
    # because that changes the file system.
    if address.host and not StateFolder(settings.state).is_in_use:
        try:
            for bound in bind(settings.listen):
                bound.close()
        except SettingsError as error:
            yield f"warning: {str(error).removeprefix('listen: ')}"
    warning = exposure([address.host] if address.host else [])
    if warning and settings.tls_cert is None and not settings.allow_no_key:
        yield f"warning: {warning.removeprefix('listen: ')}"


def _keys(settings: Settings) -> Iterator[str]:
    keys = load_keys(settings)
    yield f"ok, {', '.join(keys.names)}" if keys.names else "ok, no key is required"
    for warning in keys.warnings:
        yield f"warning: {warning}"


def _tls(settings: Settings) -> Iterator[str]:
    tls = load_tls(settings)
    end = f", the certificate is valid until {tls.not_after:%Y-%m-%d}" if tls and tls.not_after else ""
    yield "off" if tls is None else f"ok{end}"
    for warning in tls.warnings if tls else ():
        yield f"warning: {warning.removeprefix('tls: ')}"


def _state(settings: Settings) -> Iterator[str]:
    state = StateFolder(settings.state)
    exists = state.preview()
    yield f"ok, {settings.state}" + ("" if exists else " will be created")
    for warning in state.warnings:
        yield f"warning: {warning}"
    if state.is_in_use:
        yield "warning: another receiver uses it now"
    names = {sink.name for sink in settings.sinks}
    for name in sorted(positions(state).keys() - names):
        yield f"warning: sink {name} has a position and is not configured"


def _sink(sink: SinkSettings) -> Iterator[str]:
    info = _checked(sink, place=True)
    yield f"ok, {info.kind} {info.url}: {info.guarantee}"


def _check_annotations(settings: Settings) -> None:
    """Raise SettingsError if the events of a sink have members of their own that annotations would replace."""
    from ..detect import Sliver

    for sink in settings.sinks:
        if SinkTask.of(settings, sink).looks and check_sink(sink.url).wants == "ndjson":
            normalizer_of(sink, (Sliver(),))


def _detect(settings: Settings) -> Iterator[str]:
    from .detectors import loaded_detectors

    detectors, notes = loaded_detectors(settings.detect)
    for sink in settings.sinks:
        # A sink that cannot be used has a line of its own.
        with suppress(SinkSettingError):
            if SinkTask.of(settings, sink).looks and check_sink(sink.url).wants == "ndjson":
                normalizer_of(sink, detectors)
    yield f"ok, {', '.join(notes)}"


def _checked(sink: SinkSettings, *, place: bool = False) -> SinkInfo:
    try:
        info = check_sink(sink.url, place=place)
    except SinkSettingError as error:
        raise SettingsError(f"sink {sink.name}: {str(error).removeprefix('sink ')}") from error
    if info.wants != "ndjson" and (sink.alerts or sink.annotate):
        what = "alerts" if sink.alerts else "annotated events"
        hint = "; add send=ecs to its URL" if info.kind == "http" else ""
        raise SettingsError(f"sink {sink.name}: {what} need a target of NDJSON{hint}")
    if info.wants != "raw":
        normalizer_of(sink)
    return info
