#!/bin/sh
set -e

if [ "$1" = remove ]; then
    [ ! -d /run/systemd/system ] || deb-systemd-invoke stop cirrus-statusd.service >/dev/null || true
    # the printers without drivers need no CUPS
    ! command -v cupsd >/dev/null || cirrus-statusd --leave | sed 's/^/cirrus-bridge: /' || true
    [ ! -d /run/systemd/system ] || deb-systemd-invoke stop cirrus-statusd.service cirrus-workerd.service >/dev/null || true
    left=$(LC_ALL=C lpstat -v 2>/dev/null | sed -n 's/^device for \(.*\): cirrus:.*/\1/p' | tr '\n' ' ')
    if [ -n "$left" ]; then
        echo "cirrus-bridge: these queues lead nowhere now; remove them (lpadmin -x): $left"
    fi
fi
