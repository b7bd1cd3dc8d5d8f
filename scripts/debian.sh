# Packages of Debian without installing them and without being root. To be sourced; whoever does so has `say`, and a folder `$stage` of its own.

apt_options=(-o APT::Sandbox::User=root) # run as root, apt drops to a user that may not enter our folder, and says so at length

apt_has() { apt-cache "${apt_options[@]}" show --no-all-versions "$1" 2>/dev/null | grep '^Package:' >/dev/null; }

# `debian_has PACKAGE`: whether it can be downloaded, with package lists of our own when the machine's are missing or too old to know it.
debian_has() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    if apt_has "$1"; then return; fi
    local state="$stage/apt"
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    apt_options+=(-o "Dir::State=$state" -o "Dir::State::lists=$state/lists" -o "Dir::State::status=/var/lib/dpkg/status"
        -o "Dir::Cache=$state/cache" -o Debug::NoLocking=1 -o APT::Get::List-Cleanup=0)
    say "reading Debian's package lists"
    # A third-party source of the machine may be away; what counts is whether our packages are found.
    apt-get "${apt_options[@]}" -qq update >/dev/null 2>&1 || true
    apt_has "$1"
}

# `debian_download PACKAGE...`: into this folder.
debian_download() { apt-get "${apt_options[@]}" -qq download "$@" >&2; }
