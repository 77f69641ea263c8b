#!/bin/sh
set -e

if [ "$1" = remove ]; then
    [ ! -d /run/systemd/system ] || systemctl --system daemon-reload >/dev/null || true
    deb-systemd-helper mask cirrus-statusd.service cirrus-workerd.service >/dev/null || true
fi
if [ "$1" = purge ]; then
    deb-systemd-helper purge cirrus-statusd.service cirrus-workerd.service >/dev/null || true
    deb-systemd-helper unmask cirrus-statusd.service cirrus-workerd.service >/dev/null || true
    # The servers' files are not ours, but hold keys that only we use, so they must not stay.
    rm -rf /etc/cirrus-bridge /var/lib/cirrus-bridge /var/cache/cirrus-bridge
    # These folders are the last files of the user, so that no later user can inherit any.
    # --force, because a job of the user may still be under way
    userdel --force cirrus-bridge >/dev/null 2>&1 || true
fi
