#!/bin/sh
set -e

if [ "$1" = remove ]; then
    [ ! -d /run/systemd/system ] || systemctl --system daemon-reload >/dev/null || true
    deb-systemd-helper mask cirrus-cloudlet.service >/dev/null || true
fi
if [ "$1" = purge ]; then
    deb-systemd-helper purge cirrus-cloudlet.service >/dev/null || true
    deb-systemd-helper unmask cirrus-cloudlet.service >/dev/null || true
    # Without this, a later user with the same id would own the documents.
    rm -rf /var/lib/cirrus-cloudlet
    userdel --force cirrus-cloudlet >/dev/null 2>&1 || true
fi
