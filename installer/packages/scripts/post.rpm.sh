# No restart of CUPS: cupsd looks for backends and drivers whenever it needs one.
systemd-sysusers cirrus-bridge.conf || :
if [ -d /etc/selinux/targeted ] && [ -x /usr/sbin/semodule ]; then
    semodule -s targeted -X 200 -i /usr/share/selinux/packages/cirrus-bridge.cil || :
    restorecon -Ri /usr/lib/cirrus-bridge /var/lib/cirrus-bridge /var/cache/cirrus-bridge /run/cirrus-bridge || :
fi
systemd-tmpfiles --create cirrus-bridge.conf || :
if [ -x /usr/bin/systemctl ]; then
    [ "$1" -ne 1 ] || systemctl --no-reload preset cirrus-statusd.service cirrus-workerd.service || :
    [ ! -d /run/systemd/system ] || systemctl daemon-reload || :
fi
# The cupsd of the snap runs only its own backends (cups/cupsd.py gives the same advice).
if [ -d /var/snap/cups ]; then
    echo "cirrus-bridge: CUPS is also installed as a snap on this machine. Add queues with the system's lpadmin, not"
    echo "with cups.lpadmin. The snap passes jobs on to them. If it does not, run: snap restart cups"
fi
