#!/usr/bin/env bash
# Makes `cargo build --target wasm32-wasip2` work where rustup cannot download the target's standard library.
#
# Theory of operation. A user of wisp says `rustup target add wasm32-wasip2` and never needs this script; it exists so
# that the tests and the demo can build Rust guests on machines without a way to rustup's servers. Debian's security
# archive carries a recent rustc with the sources of std and the C library of WASI, so cargo can build std itself
# (-Z build-std). The packages are unpacked into the cache, nothing is installed and root is not needed: apt keeps its
# package lists in a folder of ours. The wrappers `cargo` and `rustc` step in only for targets wasm32-wasi*; any other
# call goes to the next cargo or rustc on PATH, so the bin folder may safely be put first.
#
# Output: progress on standard error. The last line of standard output is the folder to put first on PATH; nothing at
# all is printed there when the user's own toolchain already has the target. With WISP_RUST_WASI=debian the user's own
# toolchain is not asked, to test this way. rustup is never asked: it would download from its own servers.
set -euo pipefail

TARGET=wasm32-wasip2
RECIPE=1 # raise it when the layout below changes: an older folder is then made anew
cache="${WISP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/wisp}"
home="$cache/rust-wasi"

say() { printf 'rust-wasi: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
# shellcheck source=scripts/debian.sh
. "$(dirname "$0")/debian.sh"

# Whether the user's own rustc (not our wrapper) has the target's standard library.
own_toolchain_has_target() {
    local path libraries
    path="$(printf '%s' "$PATH" | tr ':' '\n' | { grep -vxF "$home/bin" || true; } | paste -sd: -)"
    libraries="$(PATH="$path" rustc --print target-libdir --target "$TARGET" 2>/dev/null)" || return 1
    compgen -G "$libraries/libstd-*.rlib" >/dev/null
}

ready() { [ "$(cat "$home/recipe" 2>/dev/null)" = "$RECIPE" ]; }

# `depends PACKAGE REGEX`: the first direct dependency whose name matches.
depends() {
    apt-cache "${apt_options[@]}" show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr ',|' '\n\n' |
        sed 's/^ *//; s/ .*//' | { grep -xE "$2" || true; } | sed -n 1p
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Shared libraries that cargo needs and that this machine lacks, through all levels.
missing_libraries() {
    local name
    apt-cache "${apt_options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances --no-pre-depends cargo-web 2>/dev/null | grep -E '^lib' | cut -d: -f1 | sort -u |
        grep -vE -- '-dev$|clang|llvm|objc|[alt]san|ubsan|lib(x)?32|^libc6|^libgc1|^libgcc-|^libpcc|^libstd-rust' |
        while read -r name; do is_installed "$name" || printf '%s\n' "$name"; done
}

package_names() {
    local standard llvm
    standard="$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9.]+')"
    llvm="$(depends "$standard" 'libllvm[0-9]+' | tr -dc 0-9)"
    [ -n "$standard" ] && [ -n "$llvm" ] || return 1
    printf '%s\n' cargo-web rustc-web libstd-rust-web-dev "$standard" rust-web-src rust-web-llvm wasi-libc \
        "lld-$llvm" "libllvm$llvm"
    missing_libraries
}

download() {
    local packages
    debian_has rust-web-src || fail "Debian's package rust-web-src was not found; add the target by hand: rustup target add $TARGET"
    mapfile -t packages < <(package_names)
    [ "${#packages[@]}" -gt 5 ] || fail "the packages of Debian's Rust were not understood; add the target with rustup"
    say "downloading ${#packages[@]} packages (about 150 MB)"
    mkdir "$stage/packages"
    (cd "$stage/packages" && debian_download "${packages[@]}") ||
        fail "the download failed"
}

unpack() {
    local package
    mkdir "$stage/root"
    for package in "$stage"/packages/*.deb; do
        say "unpacking $(basename "$package" | cut -d_ -f1)"
        case "$package" in
            # Of the compiler's sources only those of std are needed.
            */rust-web-src_*) dpkg-deb --fsys-tarfile "$package" | tar -x -C "$stage/root" --wildcards \
                --exclude '*/library/vendor/*' './usr/lib/*' './usr/src/*/library' ;;
            *) dpkg-deb --fsys-tarfile "$package" | tar -x -C "$stage/root" --exclude './usr/share/*' ;;
        esac
    done
    rm -r "$stage/packages"
}

# rustc expects WASI's C library beside its own objects; Debian keeps it elsewhere.
place_c_library() {
    local target folder
    for target in wasm32-wasip1 wasm32-wasip2 wasm32-wasip3; do
        folder="$stage/root/usr/lib/rustlib/$target/lib/self-contained"
        mkdir -p "$folder"
        find "$stage/root" -path '*/wasm32-wasi/*' \( -name libc.a -o -name 'crt1-*.o' \) -exec cp {} "$folder/" \;
        [ -f "$folder/libc.a" ] || fail "wasi-libc does not hold libc.a"
    done
}

write_wrapper() { # write_wrapper cargo|rustc
    cat >"$stage/bin/$1" <<'WRAPPER'
#!/usr/bin/env bash
# Written by scripts/rust-wasi.sh: Debian's toolchain for targets wasm32-wasi*, otherwise the next one on PATH.
set -euo pipefail
name="$(basename "$0")"
here="$(cd "$(dirname "$0")" && pwd)"
root="$(dirname "$here")/root"
wasi=
case " ${CARGO_BUILD_TARGET:-} $* " in *[\ =]wasm32-wasi*) wasi=1 ;; esac
if [ -z "$wasi" ]; then
    PATH="$(printf '%s' "$PATH" | tr ':' '\n' | { grep -vxF "$here" || true; } | paste -sd: -)"
    exec "$name" "$@"
fi
# rustup sets this for whatever it starts; it names the other toolchain.
unset RUSTUP_TOOLCHAIN RUSTC_WRAPPER
folders=
for folder in "$root"/usr/lib/*-linux-gnu "$root"/usr/lib/llvm-*/lib; do folders="$folders:$folder"; done
export LD_LIBRARY_PATH="${folders#:}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
for folder in "$root"/usr/lib/rustlib/*-linux-gnu/bin "$root"/usr/lib/llvm-*/bin "$root/usr/bin"; do PATH="$folder:$PATH"; done
export PATH RUSTC="$root/usr/bin/rustc" RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=std,panic_abort
exec "$root/usr/bin/$name" "$@"
WRAPPER
    chmod 755 "$stage/bin/$1"
}

make_toolchain() {
    mkdir -p "$cache"
    chmod 700 "$cache"
    exec 9>"$cache/rust-wasi.lock"
    flock 9
    ! ready || return 0
    stage="$(mktemp -d "$cache/rust-wasi.XXXXXX")"
    trap 'rm -rf "$stage"' EXIT
    download
    unpack
    place_c_library
    mkdir "$stage/bin"
    write_wrapper cargo
    write_wrapper rustc
    rm -rf "$stage/apt"
    "$stage/bin/rustc" --print target-libdir --target "$TARGET" >/dev/null || fail "the unpacked rustc does not start"
    printf '%s\n' "$RECIPE" >"$stage/recipe"
    chmod 755 "$stage"
    rm -rf "$home"
    mv "$stage" "$home"
    say "ready: $("$home/bin/rustc" --version --target "$TARGET") in $home"
}

if [ "${WISP_RUST_WASI:-}" != debian ]; then
    if own_toolchain_has_target; then exit 0; fi
fi
make_toolchain
printf '%s\n' "$home/bin"
