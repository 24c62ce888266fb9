# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""SSH ProxyCommand: connect from inside a lab and hand the connected socket to ssh (ProxyUseFdpass, ssh_config(5)).

Runs in the lab's network namespace for the moment of the connect only, so nothing is relayed and nothing stays behind.
"""

import socket
import sys

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
connection.settimeout(None)
with socket.socket(fileno=sys.stdout.fileno()) as channel:
    socket.send_fds(channel, [b"\0"], [connection.fileno()])
    channel.detach()
