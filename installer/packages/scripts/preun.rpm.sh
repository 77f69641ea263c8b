if [ "$1" -eq 0 ]; then
    [ ! -d /run/systemd/system ] || systemctl stop cirrus-statusd.service || :
    # the printers without drivers need no CUPS
    ! command -v cupsd >/dev/null || cirrus-statusd --leave | sed 's/^/cirrus-bridge: /' || :
fi
if [ "$1" -eq 0 ] && [ -x /usr/bin/systemctl ]; then
    if [ -d /run/systemd/system ]; then
        systemctl --no-reload disable --now cirrus-statusd.service cirrus-workerd.service || :
    else
        systemctl --no-reload disable cirrus-statusd.service cirrus-workerd.service || :
    fi
fi
