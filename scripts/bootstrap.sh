#!/usr/bin/env bash
# Finds what `make` needs, installs uv when it is missing, and prints the path of uv. Everything else is said on stderr.
#
# uv is looked for on PATH; when it is not there, pip puts it into a virtual environment of its own in the cache, so that
# no Python of the machine is changed. uv itself then takes any Python from 3.11 on that it finds, and downloads none.
set -euo pipefail

UV_VERSION=0.13.9
RUST_WANTED=1.95
cache="${WISP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/wisp}"
home="$cache/toolchains/uv-$UV_VERSION"

say() { printf 'bootstrap: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Whether $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

check_rust() {
    local found
    command -v cargo >/dev/null || fail "cargo is missing: install Rust $RUST_WANTED or newer, https://rustup.rs"
    found="$(rustc --version | cut -d' ' -f2)"
    at_least "$found" "$RUST_WANTED" || fail "Rust $found is too old, $RUST_WANTED is needed: rustup update stable"
}

python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$name"; return; }
    done
    fail "no Python 3.11 or newer with the module venv was found (on Debian: apt install python3-venv)"
}

# A pyenv shim is found on PATH, but works only for the Python that has the program: so it has to run.
works() { "$1" --version >/dev/null 2>&1 && at_least "$("$1" --version | cut -d' ' -f2)" 0.9; }

find_uv() {
    local found
    found="$(command -v uv || true)"
    if [ -n "$found" ] && works "$found"; then echo "$found"; return; fi
    if works "$home/bin/uv"; then echo "$home/bin/uv"; return; fi
    say "uv is missing: pip puts uv $UV_VERSION into $home"
    mkdir -p "$cache" && chmod 700 "$cache"
    "$(python)" -m venv --clear "$home"
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" >&2
    echo "$home/bin/uv"
}

check_rust
find_uv
