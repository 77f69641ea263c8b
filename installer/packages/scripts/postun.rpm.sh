if [ "$1" -ge 1 ] && [ -d /run/systemd/system ]; then
    systemctl try-restart cirrus-statusd.service cirrus-workerd.service || :
fi
# rpm has no purge. It keeps changed configuration. Journal and cache are useless without the programs.
if [ "$1" -eq 0 ]; then
    rm -rf /var/lib/cirrus-bridge /var/cache/cirrus-bridge
    if [ -d /etc/selinux/targeted ] && [ -x /usr/sbin/semodule ]; then
        semodule -s targeted -X 200 -r cirrus-bridge || :
    fi
fi
