# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Stands in for the get-pip script that ansible-test downloads.

ansible-test fills its virtual environments with a bootstrap script from a server of its own, which machines without
free internet access do not reach. It takes the file from its cache when there is one: this one, which starts from the
pip that Python brings along and installs the same versions from the package index that is configured anyway.
"""

from __future__ import annotations

import ensurepip
import runpy
import sys

ensurepip.bootstrap()
own_options = {"--no-setuptools", "--no-wheel"}
arguments = [argument for argument in sys.argv[1:] if argument not in own_options]
sys.argv = ["pip", "install", "--upgrade", *arguments]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
