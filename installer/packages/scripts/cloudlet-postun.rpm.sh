# rpm has no purge, so the documents in /var/lib/cirrus-cloudlet stay, and those of the client.
if [ "$1" -ge 1 ] && [ -d /run/systemd/system ]; then
    systemctl try-restart cirrus-cloudlet.service || :
    systemctl try-restart cirrus-cloudlet-client.service || :
fi
if [ "$1" -eq 0 ] && [ -d /etc/selinux/targeted ] && [ -x /usr/sbin/semodule ]; then
    semodule -s targeted -X 200 -r cirrus-cloudlet || :
fi
