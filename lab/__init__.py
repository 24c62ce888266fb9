# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Real firewall nodes on one Linux machine, built from an Ansible inventory."""
