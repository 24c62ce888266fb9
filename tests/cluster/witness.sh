#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
#
# OCF resource agent ocf:lab:witness: a resource that writes down every start, on a disk that outlives a power cut.

running=/run/witness
case $1 in
    start)
        [ -e "$running" ] && exit 0
        date +%s%N >>/var/lib/witness
        : >"$running"
        ;;
    stop) rm -f "$running" ;;
    monitor) [ -e "$running" ] || exit 7 ;;
    meta-data)
        cat <<'EOF'
<?xml version="1.0"?>
<resource-agent name="witness" version="1.0">
<version>1.0</version>
<longdesc lang="en">Writes down when it was started.</longdesc>
<shortdesc lang="en">Writes down when it was started</shortdesc>
<parameters/>
<actions>
<action name="start" timeout="10s"/>
<action name="stop" timeout="10s"/>
<action name="monitor" timeout="10s" interval="10s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>
EOF
        ;;
    *) exit 3 ;;
esac
