# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""SSH ProxyCommand: connect from inside a lab and hand the connected socket to ssh (ProxyUseFdpass, ssh_config(5)).

Runs in the lab's network namespace for the moment of the connect only, so nothing is relayed and nothing stays behind.
"""

import os
import socket
import sys

# ssh bounds its own connect (ConnectTimeout), but not that of a command that hands it the socket.
LIMIT_S = float(os.environ.get("HAFW_CONNECT_TIMEOUT", "10"))

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=LIMIT_S)
connection.settimeout(None)
with socket.socket(fileno=sys.stdout.fileno()) as channel:
    socket.send_fds(channel, [b"\0"], [connection.fileno()])
    channel.detach()
