"""The kind ``kafka:``, by the client of Confluent; `kafka_sink` has the messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .base import SinkContext, SinkSettingError
from .event_keys import registered_domain
from .kafka_sink import KafkaSink
from .option_files import check_file
from .urls import Info, Option, Target, parse_size

__all__ = ["INFO", "OPTIONS", "open"]

OPTIONS = (
    Option("key", "choice", "registered_domain", "key of a message", ("registered_domain", "none")),
    Option(
        "pack", "text", "off", "size up to which events are joined to one value of NDJSON, which has no key; or off"
    ),
    Option("headers", "bool", True, "whether messages have the headers cfdns-batch and cfdns-index"),
    Option("compression", "choice", "lz4", "compression of requests", ("lz4", "zstd", "snappy", "gzip", "none")),
    Option("max_message", "size", "1MB", "maximum size of a message in the topic", minimum=1000, maximum=1_000_000_000),
    Option("queue", "size", "16MiB", "memory for messages that are not delivered", minimum=1 << 20, maximum=2 << 30),
    Option("linger", "duration", "50ms", "how long a message waits for others", minimum=0, maximum=60),
    Option("commit", "duration", "1s", "time between commits", minimum=0.1, maximum=60),
    Option("tls", "bool", False, "whether connections use TLS"),
    Option("ca_file", "text", "", "PEM file of certificates that are trusted instead of the usual ones"),
    Option("cert_file", "text", "", "PEM file with the certificate of this client"),
    Option("cert_key_file", "text", "", "PEM file with the key of the certificate"),
    Option("sasl", "choice", "off", "SASL mechanism", ("off", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")),
    Option("user", "text", "", "user name for SASL"),
    Option("password", "secret", None, "password for SASL"),
)

INFO = Info(
    wants=lambda options: "ndjson",
    guarantee="at least once; a message is not repeated while the process runs without a fault",
    check=lambda target: _check(target),
    takes_many_hosts=True,
)

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def open(target: Target, context: SinkContext) -> KafkaSink:
    """Return a sink for a topic; no connection is made yet."""
    import confluent_kafka

    options = target.options
    settings = _settings(target)

    def make_producer(request_bytes: int, on_delivery: Callable[..., None], on_error: Callable[..., None]) -> Any:
        limits = {"batch.size": max(request_bytes, 1), "on_delivery": on_delivery, "error_cb": on_error}
        try:
            return confluent_kafka.Producer({**settings, **limits})
        except confluent_kafka.KafkaException as error:
            raise SinkSettingError(f"sink {target.url}: {error.args[0].str()}") from None

    if options["sasl"] == "PLAIN" and not options["tls"] and target.host not in ("localhost", "127.0.0.1", "::1"):
        context.warn(f"{target.url}: the password is sent without TLS")
    pack = options["pack"]
    return KafkaSink(
        context,
        make_producer,
        target.path.strip("/"),
        key=registered_domain if options["key"] == "registered_domain" else None,
        pack_bytes=0 if pack == "off" else parse_size(pack),
        with_headers=options["headers"],
        max_message_bytes=options["max_message"],
        commit_s=options["commit"],
    )


def _settings(target: Target) -> dict[str, Any]:
    """Return the settings of librdkafka."""
    options = target.options
    has_sasl = options["sasl"] != "off"
    protocol = f"{'SASL_' if has_sasl else ''}{'SSL' if options['tls'] else 'PLAINTEXT'}"
    settings: dict[str, Any] = {
        # A host without a port has 9092.
        "bootstrap.servers": ",".join([target.authority, *target.more_hosts]),
        "client.id": "cfdns-fast",
        "security.protocol": protocol,
        "enable.idempotence": True,
        "acks": "all",
        # 0 is no limit: an outage is not a reason to give up.
        "message.timeout.ms": 0,
        "message.max.bytes": options["max_message"],
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": options["queue"] >> 10,
        "linger.ms": options["linger"] * 1000,
        "compression.type": options["compression"],
        # Keys have the same partition as with the producer of Java.
        "partitioner": "murmur2_random",
        "delivery.report.only.error": True,
        # error_cb has the errors; the lines of the library would be between the lines of our log.
        "log_level": 0,
    }
    if options["ca_file"]:
        settings["ssl.ca.location"] = options["ca_file"]
    if options["cert_file"]:
        settings["ssl.certificate.location"] = options["cert_file"]
        settings["ssl.key.location"] = options["cert_key_file"]
    if has_sasl:
        settings["sasl.mechanism"] = options["sasl"]
        settings["sasl.username"] = options["user"]
        settings["sasl.password"] = options["password"].read()
    return settings


def _check(target: Target) -> None:
    options = target.options
    if not target.host:
        raise SinkSettingError("the URL has no host; use kafka://HOST:9092/TOPIC")
    if not _TOPIC.fullmatch(target.path.strip("/")):
        raise SinkSettingError(
            "the path is the topic: 1 to 249 characters of A-Z, a-z, 0-9, dot, hyphen and underscore"
        )
    if options["pack"] != "off":
        try:
            pack_bytes = parse_size(options["pack"])
        except ValueError as error:
            raise SinkSettingError(f"option pack: {error}") from None
        if pack_bytes < 1:
            raise SinkSettingError("option pack: the minimum is 1 byte")
    if (options["sasl"] != "off") != bool(options["user"] and options["password"]):
        raise SinkSettingError("options sasl, user and password belong together")
    if bool(options["cert_file"]) != bool(options["cert_key_file"]):
        raise SinkSettingError("options cert_file and cert_key_file belong together")
    for name in ("ca_file", "cert_file", "cert_key_file"):
        if options[name]:
            if not options["tls"]:
                raise SinkSettingError(f"option {name} needs tls=on")
            check_file(name, options[name])
