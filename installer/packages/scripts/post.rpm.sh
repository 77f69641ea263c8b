# CUPS is left alone: it looks for backends and drivers each time it needs one.
systemd-sysusers cirrus-bridge.conf || :
if [ -x /usr/bin/systemctl ]; then
    if [ "$1" -eq 1 ]; then
        systemctl --no-reload preset cirrus-statusd.service || :
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || :
    fi
fi
