#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
#
# Remember what a node is like, or compare it with what was remembered: files, orders of operators, packages, units, rules,
# addresses and kernel parameters. Counters and the like, which change by themselves, are left out.

set -eu
memory=/run/molecule-fingerprint

if_there() { # PROGRAM ARGUMENT...
    if command -v "$1" >/dev/null; then "$@"; fi
}

fingerprint() {
    find /etc /usr/local -xdev ! -type d -printf '%p %M %u:%g %s %T@ %l\n' | sort
    for order in /run/linuxha/drain /var/lib/linuxha/maintenance.json; do
        if [ -e "$order" ]; then
            echo "$order $(cat "$order")"
        fi
    done
    dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'
    systemctl list-unit-files --no-legend --plain --no-pager
    systemctl show --property=Id,ActiveState,MainPID,NRestarts \
        conntrackd.service keepalived.service corosync.service corosync-qdevice.service corosync-qnetd.service \
        pacemaker.service linuxha-rules.service linuxha-takeover.service linuxha-sync-sshd.socket
    if_there cibadmin --query --no-children | sed -n 's/.* \(epoch="[0-9]*"\).*/\1/p'
    if_there iptables-save | sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'
    if_there ip6tables-save | sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'
    if_there ipset save
    ip -brief address
    sysctl --all --pattern '^net\.' 2>/dev/null | grep -v -e nf_conntrack_count -e stable_secret -e fastopen_key
}

case $1 in
    remember) fingerprint >"$memory" ;;
    compare) fingerprint | diff -U0 "$memory" - ;;
esac
