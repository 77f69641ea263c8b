#!/bin/sh
# The service is not started, because an administrator chooses its devices and networks first.
set -e

if [ "$1" = configure ]; then
    systemd-sysusers cirrus-bridge.conf  # cirrus-bridge may be configured later, as both need each other
    # the service reads accounts by its group, so a change counts at once
    install -d -m 0750 -g cirrus-bridge /etc/cirrus-bridge/printers.d
    if deb-systemd-helper debian-installed cirrus-printers.service; then
        deb-systemd-helper unmask cirrus-printers.service >/dev/null || true
        if deb-systemd-helper --quiet was-enabled cirrus-printers.service; then
            deb-systemd-helper enable cirrus-printers.service >/dev/null || true
        fi
    fi
    deb-systemd-helper update-state cirrus-printers.service >/dev/null || true
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        [ -z "$2" ] || deb-systemd-invoke try-restart cirrus-printers.service >/dev/null || true
    fi
fi
