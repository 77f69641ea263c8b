if [ "$1" -eq 0 ] && [ -x /usr/bin/systemctl ]; then
    if [ -d /run/systemd/system ]; then
        systemctl --no-reload disable --now cirrus-cloudlet.service || :
        systemctl --no-reload disable --now cirrus-cloudlet-client.service || :
    else
        systemctl --no-reload disable cirrus-cloudlet.service || :
        systemctl --no-reload disable cirrus-cloudlet-client.service || :
    fi
fi
