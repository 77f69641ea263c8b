if [ "$1" -eq 0 ] && [ -x /usr/bin/systemctl ]; then
    if [ -d /run/systemd/system ]; then
        systemctl --no-reload disable --now cirrus-printers.service || :
    else
        systemctl --no-reload disable cirrus-printers.service || :
    fi
fi
if [ "$1" -eq 0 ]; then
    cirrus-printers --leave | sed 's/^/cirrus-printers: /' || :
fi
