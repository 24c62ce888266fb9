# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""How the power service is asked, and where.

One line a request, one line an answer, as often as wanted on one connection:

    off NODE        cut its power: silent on every port at one instant, then frozen for good
    on NODE         boot it, if it has no power
    reboot NODE     cut its power, answer, then boot it
    status NODE     answers `ok on` or `ok off`
    list            answers `ok fw1=on fw2=off`

The answer is `ok`, with what was asked for, or `error` and the reason. Nodes ask by TCP, port 6230, on the
controller's address in the management network. The lab itself asks by the UNIX socket `power.sock` in its runtime
directory, where there is one request more, which changes how TCP requests are served and nothing else:

    mode normal     as described
    mode fail       answer `error` and do nothing
    mode hang       never answer and do nothing
"""

from __future__ import annotations

PORT = 6230
SOCKET = "power.sock"
LOG = "power.jsonl"
MODES = ("normal", "fail", "hang")
MAX_LINE = 256
