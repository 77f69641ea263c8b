# rpm has no purge, so the jobs in /var/lib/cirrus-bridge/printers stay until cirrus-bridge is erased.
if [ "$1" -ge 1 ] && [ -d /run/systemd/system ]; then
    systemctl try-restart cirrus-printers.service || :
fi
if [ "$1" -eq 0 ] && [ -d /etc/selinux/targeted ] && [ -x /usr/sbin/semodule ]; then
    semodule -s targeted -X 200 -r cirrus-printers || :
fi
