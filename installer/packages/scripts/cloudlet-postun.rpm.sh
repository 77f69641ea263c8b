# rpm has no purge, so the documents in /var/lib/cirrus-cloudlet stay.
if [ "$1" -ge 1 ] && [ -d /run/systemd/system ]; then
    systemctl try-restart cirrus-cloudlet.service || :
fi
