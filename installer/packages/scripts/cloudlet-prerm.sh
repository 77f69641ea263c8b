#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop cirrus-cloudlet.service >/dev/null || true
    deb-systemd-invoke stop cirrus-cloudlet-client.service >/dev/null || true
fi
