# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Files that are equal on all nodes of a cluster: pulled, named by their content, ordered by version vectors."""
