#!/bin/sh
# The services are not started, because another cloud may already use the port on this machine, and
# the client of a location needs a server and a key.
set -e

if [ "$1" = configure ]; then
    systemd-sysusers cirrus-cloudlet.conf
    for unit in cirrus-cloudlet.service cirrus-cloudlet-client.service; do
        if deb-systemd-helper debian-installed $unit; then
            deb-systemd-helper unmask $unit >/dev/null || true
            if deb-systemd-helper --quiet was-enabled $unit; then
                deb-systemd-helper enable $unit >/dev/null || true
            fi
        fi
        deb-systemd-helper update-state $unit >/dev/null || true
    done
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        for unit in cirrus-cloudlet.service cirrus-cloudlet-client.service; do
            [ -z "$2" ] || deb-systemd-invoke try-restart $unit >/dev/null || true
        done
    fi
fi
