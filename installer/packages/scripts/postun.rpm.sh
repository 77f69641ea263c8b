if [ "$1" -ge 1 ] && [ -d /run/systemd/system ]; then
    systemctl try-restart cirrus-statusd.service || :
fi
# rpm knows no purge. The configuration is kept, as rpm does with what was changed; what devices were
# called and what was printed is of no use without the programs.
if [ "$1" -eq 0 ]; then
    rm -rf /var/lib/cirrus-bridge /var/cache/cirrus-bridge
fi
