#!/bin/sh
set -e

if [ "$1" = remove ]; then
    [ ! -d /run/systemd/system ] || systemctl --system daemon-reload >/dev/null || true
    deb-systemd-helper mask cirrus-cloudlet.service >/dev/null || true
    deb-systemd-helper mask cirrus-cloudlet-client.service >/dev/null || true
fi
if [ "$1" = purge ]; then
    for unit in cirrus-cloudlet.service cirrus-cloudlet-client.service; do
        deb-systemd-helper purge $unit >/dev/null || true
        deb-systemd-helper unmask $unit >/dev/null || true
    done
    # Without this, a later user with the same id would own the documents.
    rm -rf /var/lib/cirrus-cloudlet /var/lib/cirrus-cloudlet-client
    # has the key of the location's client
    rm -rf /etc/cirrus-cloudlet-client
    userdel --force cirrus-cloudlet >/dev/null 2>&1 || true
fi
