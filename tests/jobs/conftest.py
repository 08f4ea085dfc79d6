"""Fixtures of the tests of jobs: the local stand-in of Cloudflare's API, and an `Api` that calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support.fake_cloudflare import ACCOUNT, TOKEN, ZONE, FakeCloudflare, fake_cloudflare

from cfdns_fast.jobs import Api, Redactor, Secret


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudflare]:
    """Return the running server, empty. No proxy of the environment is in between."""
    monkeypatch.setenv("NO_PROXY", "*")
    with fake_cloudflare() as server:
        yield server


@pytest.fixture
def api_of(fake: FakeCloudflare) -> Iterator[Callable[..., Api]]:
    """Return a function that makes an `Api` for the server; its arguments replace the usual ones."""
    pytest.importorskip("cloudflare", reason="the official SDK of Cloudflare")
    with ExitStack() as opened:

        def make(scope: Any = "zone", scope_id: str = "", token: str = TOKEN, **options: Any) -> Api:
            scope_id = scope_id or (ZONE if scope == "zone" else ACCOUNT)
            options = {"base_url": fake.url, "timeout_s": 10, "redactor": Redactor(), **options}
            return opened.enter_context(Api(Secret(token), scope, scope_id, **options))

        yield make


@pytest.fixture
def api(api_of: Callable[..., Api]) -> Api:
    """Return an `Api` of the zone of the server."""
    return api_of()
