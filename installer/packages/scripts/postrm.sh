#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = remove ]; then
    deb-systemd-helper mask cirrus-statusd.service >/dev/null || true
fi
if [ "$1" = purge ]; then
    deb-systemd-helper purge cirrus-statusd.service >/dev/null || true
    deb-systemd-helper unmask cirrus-statusd.service >/dev/null || true
    # The servers' files are not ours, but they hold keys that only we use: none may be left behind.
    rm -rf /etc/cirrus-bridge /var/lib/cirrus-bridge /var/cache/cirrus-bridge
    # With these folders the last of the user's files are gone; no later user can inherit any.
    if getent passwd cirrus-bridge >/dev/null; then
        # by force, as a job of its may be under way still
        userdel --force cirrus-bridge >/dev/null 2>&1 || true
    fi
fi
