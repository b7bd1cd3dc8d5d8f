#!/usr/bin/env bash
# Brings the registries, and the tools of others, that the tests of wisp's OCI client speak to.
#
# Theory of operation. `docker-registry` is Debian's package, unpacked into the cache: nothing is installed and root is not needed.
# `referrers` (a registry that lists referrers) and `oras` (a client that other people use) are compiled by the user's own go from
# the sources that go's proxy has, which takes a minute or two, once.
#
# Output: progress on standard error. The last line of standard output is the folder with the programs. What cannot be had is said and
# is an error: the tests must not pass without it.
set -euo pipefail

RECIPE=1 # raise it when what is below changes: an older folder is then made anew
ORAS=oras.land/oras/cmd/oras@v1.2.3
cache="${WISP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/wisp}"
home="$cache/toolchains/registries"
here="$(cd "$(dirname "$0")/.." && pwd)"

say() { printf 'registries: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
# shellcheck source=scripts/debian.sh
. "$here/scripts/debian.sh"

# What the folder was made of: the recipe, and the program that is ours.
recipe() { { echo "$RECIPE $ORAS"; cat "$here"/tests/registries/referrers/{main.go,go.mod,go.sum}; } | sha256sum | cut -d' ' -f1; }

ready() { [ "$(cat "$home/recipe" 2>/dev/null)" = "$(recipe)" ]; }

debian_registry() {
    debian_has docker-registry || fail "Debian's package docker-registry was not found; it is had with apt"
    say "downloading docker-registry"
    (cd "$stage" && debian_download docker-registry) || fail "docker-registry cannot be downloaded"
    dpkg-deb --fsys-tarfile "$stage"/docker-registry_*.deb | tar -x -C "$stage" ./usr/bin/docker-registry
    mv "$stage/usr/bin/docker-registry" "$stage/bin/"
    rm -rf "$stage/usr" "$stage/apt" "$stage"/*.deb
}

compiled() {
    command -v go >/dev/null || fail "go is needed to compile a registry and oras: https://go.dev/dl"
    say "compiling a registry that lists referrers"
    (cd "$here/tests/registries/referrers" && GOFLAGS=-mod=mod GOTOOLCHAIN=local go build -o "$stage/bin/referrers" .) >&2 || fail "go build failed"
    say "compiling oras"
    GOBIN="$stage/bin" GOTOOLCHAIN=local go install "$ORAS" >&2 || fail "go install $ORAS failed"
}

make_folder() {
    mkdir -p "$cache/toolchains"
    chmod 700 "$cache"
    exec 9>"$cache/toolchains/registries.lock"
    flock 9
    if ready; then return; fi
    stage="$(mktemp -d "$cache/toolchains/registries.XXXXXX")"
    trap 'rm -rf "$stage"' EXIT
    mkdir "$stage/bin"
    debian_registry
    compiled
    recipe >"$stage/recipe"
    rm -rf "$home"
    mv "$stage" "$home"
}

ready || make_folder
printf '%s\n' "$home/bin"
