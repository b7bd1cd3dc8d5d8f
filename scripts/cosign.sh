#!/usr/bin/env bash
# Brings cosign, with which the tests of signatures sign and verify what wisp verifies and signs.
#
# Theory of operation. The user's own go compiles it from the sources that go's proxy has, once; that takes some minutes, so it has a
# folder of its own in the cache, apart from the other tools of the tests.
#
# Output: progress on standard error. The last line of standard output is the program. What cannot be had is an error: the tests must not
# pass without it.
set -euo pipefail

COSIGN=github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
cache="${WISP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/wisp}"
home="$cache/toolchains/cosign"

say() { printf 'cosign: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

ready() { [ "$(cat "$home/recipe" 2>/dev/null)" = "$COSIGN" ]; }

make_folder() {
    mkdir -p "$cache/toolchains"
    chmod 700 "$cache"
    exec 9>"$cache/toolchains/cosign.lock"
    flock 9
    if ready; then return; fi
    command -v go >/dev/null || fail "go is needed to compile cosign: https://go.dev/dl"
    stage="$(mktemp -d "$cache/toolchains/cosign.XXXXXX")"
    trap 'rm -rf "$stage"' EXIT
    say "compiling $COSIGN, which takes some minutes"
    GOBIN="$stage" GOTOOLCHAIN=local go install "$COSIGN" >&2 || fail "go install $COSIGN failed"
    printf '%s\n' "$COSIGN" >"$stage/recipe"
    rm -rf "$home"
    mv "$stage" "$home"
}

ready || make_folder
printf '%s\n' "$home/cosign"
