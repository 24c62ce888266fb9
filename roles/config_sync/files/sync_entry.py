# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What linuxha-sync starts, with -I: neither the environment nor the working directory chooses what is imported."""

import sys

sys.path.insert(0, "/usr/local/lib/linuxha-sync")

from linuxha_sync.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
