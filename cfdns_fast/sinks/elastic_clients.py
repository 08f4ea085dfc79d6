"""The official clients of Elasticsearch and OpenSearch, without their retries and with one kind of error.

Their retries send whole bodies again, and do not end when the process must stop.
"""

from __future__ import annotations

import re
from typing import Any, Protocol
from urllib.parse import quote

from .base import SinkFault
from .bulk import FILTER_PATH
from .urls import Target

__all__ = ["DEFAULT_INDEX", "Answer", "Client", "ElasticsearchClient", "OpenSearchClient", "index_of"]

DEFAULT_INDEX = "logs-cloudflare.dns-default"
DEFAULT_PORT = 9200


class Answer(Exception):
    """A status other than 2xx for a whole request."""

    def __init__(self, status: int, error: str, retry_after: str | None = None) -> None:
        self.status = status
        self.error = error
        self.retry_after = retry_after
        super().__init__(status, error)


class Client(Protocol):
    """What differs between the two official clients."""

    def post(self, body: bytes) -> Any:
        """Send a body and return the parsed answer; raises `Answer` and `SinkFault`. Threads may use it at once."""

    def close(self) -> None:
        """Close the connections."""


def _error_of(body: Any) -> str:
    """Return the type of an error; never its reason, which can quote an event."""
    error = body.get("error") if isinstance(body, dict) else None
    kind = error.get("type") if isinstance(error, dict) else None
    return kind[:100] if isinstance(kind, str) else ""


class ElasticsearchClient:
    """The official client of Elasticsearch."""

    def __init__(self, target: Target) -> None:
        import elasticsearch

        self._errors: Any = elasticsearch
        self._index = index_of(target)
        options = target.options
        self._pipeline = options["pipeline"] or None
        more: dict[str, Any] = {}
        if options["key"]:
            more["api_key"] = options["key"].read()
        elif options["user"]:
            more["basic_auth"] = (options["user"], options["password"].read())
        if options["ca_file"]:
            more["ca_certs"] = options["ca_file"]
        if options["compress"]:
            more["node_class"] = _compressing_node()
        self._client = elasticsearch.Elasticsearch(
            _addresses_of(target),
            connections_per_node=options["concurrency"],
            max_retries=0,
            request_timeout=options["timeout"],
            retry_on_status=(),
            retry_on_timeout=False,
            **more,
        )

    def post(self, body: bytes) -> Any:
        errors = self._errors
        try:
            # The signature has dicts only; bytes are sent as they are.
            operations: Any = body
            answer = self._client.bulk(
                operations=operations, index=self._index, pipeline=self._pipeline, filter_path=FILTER_PATH
            )
        except errors.UnsupportedProductError:
            raise SinkFault("product", "the target is not Elasticsearch; OpenSearch has its own kind") from None
        except errors.ApiError as error:
            raise Answer(error.meta.status, _error_of(error.body), error.meta.headers.get("retry-after")) from None
        except errors.ConnectionTimeout:
            raise SinkFault("timeout", "the target did not answer in time") from None
        except errors.SSLError as error:
            raise SinkFault("tls", f"no TLS connection to the target: {error}") from None
        except errors.ConnectionError as error:
            raise SinkFault("connect", f"no connection to the target: {error}") from None
        except errors.TransportError as error:
            raise SinkFault("answer", f"the target did not answer as _bulk does: {type(error).__name__}") from None
        return answer.body

    def close(self) -> None:
        self._client.close()


def _compressing_node() -> Any:
    """Return a class of connections that compress bodies; `bulk` would add a newline to compressed bytes."""
    from elastic_transport import Urllib3HttpNode
    from elastic_transport.client_utils import DEFAULT

    class CompressingNode(Urllib3HttpNode):
        def perform_request(
            self,
            method: str,
            target: str,
            body: bytes | None = None,
            headers: Any = None,
            request_timeout: Any = DEFAULT,
        ) -> Any:
            if body:
                body = _compressed(body)
                headers = headers.copy()
                headers["content-encoding"] = "gzip"
            return super().perform_request(method, target, body, headers, request_timeout)

    return CompressingNode


class OpenSearchClient:
    """The official client of OpenSearch."""

    def __init__(self, target: Target) -> None:
        import opensearchpy

        self._errors: Any = opensearchpy.exceptions
        options = target.options
        self._index = index_of(target)
        self._is_compressed: bool = options["compress"]
        self._params = {"filter_path": FILTER_PATH}
        if options["pipeline"]:
            self._params["pipeline"] = options["pipeline"]
        more: dict[str, Any] = {}
        if options["user"]:
            more["http_auth"] = (options["user"], options["password"].read())
        if options["ca_file"]:
            more["ca_certs"] = options["ca_file"]
        self._client = opensearchpy.OpenSearch(
            _addresses_of(target),
            max_retries=0,
            pool_maxsize=options["concurrency"],
            retry_on_status=(),
            retry_on_timeout=False,
            timeout=options["timeout"],
            **more,
        )

    def post(self, body: bytes) -> Any:
        errors = self._errors
        try:
            if self._is_compressed:
                # `bulk` would add a newline to the compressed bytes.
                return self._client.transport.perform_request(
                    "POST",
                    f"/{quote(self._index, safe='')}/_bulk",
                    params=self._params,
                    headers={"content-encoding": "gzip", "content-type": "application/x-ndjson"},
                    body=_compressed(body),
                )
            return self._client.bulk(body=body, index=self._index, params=self._params)
        except errors.ConnectionTimeout:
            raise SinkFault("timeout", "the target did not answer in time") from None
        except errors.SSLError as error:
            raise SinkFault("tls", f"no TLS connection to the target: {error.error}") from None
        except errors.ConnectionError as error:
            raise SinkFault("connect", f"no connection to the target: {error.error}") from None
        except errors.TransportError as error:
            raise Answer(int(error.status_code), _error_of(error.info)) from None
        except errors.SerializationError:
            raise SinkFault("answer", "the target did not answer as _bulk does") from None

    def close(self) -> None:
        self._client.close()


def _compressed(body: bytes) -> bytes:
    """Return the body as gzip by isal, whose level 1 takes a twentieth of the time that the clients' own gzip takes."""
    from isal import igzip

    result: bytes = igzip.compress(body, 1)
    return result


def index_of(target: Target) -> str:
    """Return the name of the index or the data stream."""
    return target.path.strip("/").rpartition("/")[2] or DEFAULT_INDEX


def _addresses_of(target: Target) -> list[str]:
    """Return the URLs for a client, with the folders of a path that a proxy needs."""
    prefix = target.raw_path.strip("/").rpartition("/")[0]
    scheme = target.scheme.partition("+")[2]
    hosts = [target.authority, *target.more_hosts]
    return [
        f"{scheme}://{host}{'' if re.search(':[0-9]+$', host) else f':{DEFAULT_PORT}'}/{prefix}".rstrip("/")
        for host in hosts
    ]
