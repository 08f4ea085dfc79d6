"""The options for detection that ``cfdns-fast convert`` and ``cfdns-fast receive`` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .detection import BUILT_IN

__all__ = ["detection_options"]


def detection_options(path: Any) -> tuple[Callable[..., Any], ...]:
    """Return the options that say what to look for, in the order of the help.

    Parameters
    ----------
    path : click.ParamType
        The type of their files and folders.
    """
    return (
        click.option(
            "--detect",
            metavar="NAME",
            multiple=True,
            type=click.Choice(BUILT_IN),
            help="Find query names by a built-in rule: sliver (messages of Sliver's DNS channel).",
        ),
        click.option(
            "--indicators",
            metavar="FILE",
            multiple=True,
            type=path,
            help="Find query names that a feed lists; may be given several times. Formats: plain list, CSV, hosts, "
            "AdBlock, dnsmasq, unbound, RPZ, MISP, STIX 2.1; plain or gzip.",
        ),
        click.option(
            "--allow",
            metavar="FILE",
            multiple=True,
            type=path,
            help="Names that are never found by --indicators, in one of its formats; may be given several times.",
        ),
        click.option(
            "--min-confidence",
            metavar="N",
            type=click.IntRange(0, 100),
            default=0,
            show_default=True,
            help="Leave out indicators with a lower confidence (0 to 100); those that state none are kept.",
        ),
        click.option(
            "--addresses",
            is_flag=True,
            help="Find the addresses and networks of --indicators too: in source.ip, and in the answers of "
            "gateway_dns.",
        ),
        click.option(
            "--rules",
            metavar="DIR",
            multiple=True,
            type=path,
            help="Find events by Sigma rules: a file, or a folder of *.yml; may be given several times.",
        ),
    )
