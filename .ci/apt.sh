# Sourced: apt_install PACKAGE…  installs Debian packages without starting their services.
# Succeeds only as root on a system with apt-get.

apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "Installing with apt-get: $*"
    # A package's service would take the standard port and memory for nothing: policy-rc.d forbids its start.
    apt_policy=/usr/sbin/policy-rc.d
    if [ ! -e "$apt_policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$apt_policy"
        chmod 755 "$apt_policy"
        trap 'rm -f "$apt_policy"' EXIT INT TERM
    fi
    apt_log=$(mktemp)
    apt_status=0
    {
        apt-get -q update || true # an old list may do
        DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@"
    } >"$apt_log" 2>&1 </dev/null || apt_status=1
    [ "$apt_status" = 0 ] || tail -n 15 "$apt_log" >&2
    rm -f "$apt_log"
    return $apt_status
}
