#!/bin/sh
set -e

if [ "$1" = remove ]; then
    [ ! -d /run/systemd/system ] || systemctl --system daemon-reload >/dev/null || true
    deb-systemd-helper mask cirrus-printers.service >/dev/null || true
fi
if [ "$1" = purge ]; then
    deb-systemd-helper purge cirrus-printers.service >/dev/null || true
    deb-systemd-helper unmask cirrus-printers.service >/dev/null || true
    # Documents, the certificate and accounts are private, and useless without the service.
    rm -rf /var/lib/cirrus-bridge/printers /etc/cirrus-bridge/printers.d
fi
