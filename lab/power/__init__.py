# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The power of a lab's nodes, and the fencing that cuts it.

`supply` cuts and returns the power of a node, `service` lets the nodes ask for that over the management network,
`fence_agent` is the fence agent on the nodes that asks, and `client` is what tests use: orders that always work,
faults of the service, and the log of what it was asked.
"""
