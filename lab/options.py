# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Command line options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import paths
from .image import RELEASES
from .run import LabError

INVENTORIES = paths.REPO / "inventories"


def add_name(parser: argparse.ArgumentParser) -> None:
    """--name"""
    parser.add_argument("--name", default="default", help="name of the lab, so that several can run side by side")


def add_lab(parser: argparse.ArgumentParser) -> None:
    """What describes a lab: its name, inventory, release and variables."""
    add_name(parser)
    parser.add_argument(
        "-i",
        "--inventory",
        type=Path,
        default=INVENTORIES / "keepalived",
        help="the clusters (default: the keepalived example)",
    )
    parser.add_argument("--release", choices=tuple(RELEASES), help="one release for all nodes")
    parser.add_argument("--profile", choices=("instant", "fast", "patient"), help="short for -e firewall_profile=…")
    parser.add_argument("-e", "--extra", action="append", default=[], metavar="KEY=VALUE", help="a variable that wins")


def extra(given: argparse.Namespace) -> dict[str, str]:
    """The variables given by -e and --profile."""
    found = {}
    for item in given.extra:
        key, equals, value = item.partition("=")
        if not equals:
            raise LabError(f"-e {item}: write KEY=VALUE")
        found[key] = value
    if given.profile:
        found["firewall_profile"] = given.profile
    return found
