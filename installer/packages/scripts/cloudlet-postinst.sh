#!/bin/sh
# The service is not started, because another cloud may already use the port on this machine.
set -e

if [ "$1" = configure ]; then
    systemd-sysusers cirrus-cloudlet.conf
    if deb-systemd-helper debian-installed cirrus-cloudlet.service; then
        deb-systemd-helper unmask cirrus-cloudlet.service >/dev/null || true
        if deb-systemd-helper --quiet was-enabled cirrus-cloudlet.service; then
            deb-systemd-helper enable cirrus-cloudlet.service >/dev/null || true
        fi
    fi
    deb-systemd-helper update-state cirrus-cloudlet.service >/dev/null || true
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        [ -z "$2" ] || deb-systemd-invoke try-restart cirrus-cloudlet.service >/dev/null || true
    fi
fi
