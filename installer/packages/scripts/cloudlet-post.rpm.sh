# The service is not started: a cloud may run on this machine already, with the same port.
systemd-sysusers cirrus-cloudlet.conf || :
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
fi
