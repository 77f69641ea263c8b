#!/bin/sh
# CUPS is left alone: cupsd looks into its folders of backends, drivers and driver information each
# time it needs one, so that a new or changed one is found without a restart, and no job is disturbed.
set -e

if [ "$1" = configure ]; then
    systemd-sysusers cirrus-bridge.conf
    deb-systemd-helper unmask cirrus-statusd.service >/dev/null || true
    if deb-systemd-helper --quiet was-enabled cirrus-statusd.service; then
        deb-systemd-helper enable cirrus-statusd.service >/dev/null || true
    else
        deb-systemd-helper update-state cirrus-statusd.service >/dev/null || true
    fi
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        deb-systemd-invoke restart cirrus-statusd.service >/dev/null || true
    fi
    # Its cupsd runs no backends but its own; cirrus-bridge's programs say so as well.
    if [ -d /var/snap/cups ]; then
        echo "cirrus-bridge: CUPS is on this machine as a snap, too. Add queues with the system's lpadmin, not"
        echo "with cups.lpadmin; the snap passes on jobs to them. Does it not? Run: snap restart cups"
    fi
fi
