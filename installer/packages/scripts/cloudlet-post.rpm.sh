# The service is not started, because another cloud may already use the port on this machine.
systemd-sysusers cirrus-cloudlet.conf || :
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
fi
