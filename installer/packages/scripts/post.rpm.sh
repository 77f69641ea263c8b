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
# Its cupsd runs no backends but its own; cirrus-bridge's programs say so as well.
if [ -d /var/snap/cups ]; then
    echo "cirrus-bridge: CUPS is on this machine as a snap, too. Add queues with the system's lpadmin, not"
    echo "with cups.lpadmin; the snap passes on jobs to them. Does it not? Run: snap restart cups"
fi
