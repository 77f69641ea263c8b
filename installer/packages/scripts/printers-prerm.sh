#!/bin/sh
set -e

if [ "$1" = remove ]; then
    [ ! -d /run/systemd/system ] || deb-systemd-invoke stop cirrus-printers.service >/dev/null || true
    cirrus-printers --leave | sed 's/^/cirrus-printers: /' || true
fi
