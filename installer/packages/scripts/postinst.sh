#!/bin/sh
# No restart of CUPS, which would disturb jobs: cupsd looks for backends, drivers and driver
# information whenever it needs one.
set -e

if [ "$1" = configure ] || [ "$1" = abort-remove ]; then
    rm -f /var/lib/cirrus-bridge/last-runs  # the prerm script announced the removal
    systemd-sysusers cirrus-bridge.conf
    for service in cirrus-statusd.service cirrus-workerd.service; do
        deb-systemd-helper unmask $service >/dev/null || true
        if deb-systemd-helper --quiet was-enabled $service; then
            deb-systemd-helper enable $service >/dev/null || true
        else
            deb-systemd-helper update-state $service >/dev/null || true
        fi
    done
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        deb-systemd-invoke restart cirrus-statusd.service cirrus-workerd.service >/dev/null || true
    fi
    # The cupsd of the snap runs only its own backends (cups/cupsd.py gives the same advice).
    if [ -d /var/snap/cups ]; then
        echo "cirrus-bridge: CUPS is also installed as a snap on this machine. Add queues with the system's lpadmin, not"
        echo "with cups.lpadmin. The snap passes jobs on to them. If it does not, run: snap restart cups"
    fi
fi
