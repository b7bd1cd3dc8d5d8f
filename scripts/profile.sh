#!/usr/bin/env bash
# Makes the profile by which the wheels' worker is optimised (decision 021): which of its code runs often, and how it branches.
#
# Theory of operation. A worker that counts what it runs is compiled, benches/train.py has it do what workers do, and what it has counted is
# made into a profile. That takes as long as compiling Wasmtime does, so all of it is kept in the cache: a worker that is the same, and is trained
# in the same way, is not trained again. So the same sources give the same profile's name here, and cargo compiles nothing again.
#
# The tool that reads what was counted must be of the LLVM that rustc is made of: rustup's (`rustup component add llvm-tools`), one on the PATH, or
# else Debian's, unpacked into the cache; nothing is installed, and root is not needed.
#
# Output: progress on standard error. The last line of standard output is the profile.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${WISP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/wisp}"
home="${CARGO_TARGET_DIR:-$cache/target}/profiled"
stage=

say() { printf 'profile: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
# shellcheck source=scripts/debian.sh
. scripts/debian.sh

# The number of the LLVM that rustc is made of.
llvm_of_rustc() { rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'; }

reads() { "$1" --version 2>/dev/null | grep -qE "LLVM version $llvm\."; }

# `merge ...`: llvm-profdata, whose own libraries lie beside it where it is Debian's.
merge() { LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$tool" merge "$@" >&2; }

unpack_debian() {
    local package="llvm-$llvm" library="libllvm$llvm" folder="$cache/toolchains/llvm-$llvm"
    if [ ! -d "$folder" ]; then
        mkdir -p "$cache/toolchains"
        stage="$(mktemp -d "$cache/toolchains/llvm.XXXXXX")"
        debian_has "$package" || fail "what was counted needs llvm-profdata of LLVM $llvm: rustup component add llvm-tools"
        say "downloading Debian's $package"
        (cd "$stage" && debian_download "$package" "$library") || fail "$package cannot be downloaded; or: rustup component add llvm-tools"
        for file in "$stage"/*.deb; do dpkg-deb --fsys-tarfile "$file" | tar -x -C "$stage" --exclude './usr/share/*'; done
        rm -rf "$stage"/*.deb "$stage/apt"
        chmod 755 "$stage"
        mv "$stage" "$folder"
    fi
    tool="$folder/usr/lib/llvm-$llvm/bin/llvm-profdata"
    for path in "$folder"/usr/lib/*-linux-gnu "$folder/usr/lib/llvm-$llvm/lib"; do libraries="$libraries:$path"; done
    libraries="${libraries#:}"
}

find_tool() {
    local sysroot found
    libraries=
    sysroot="$(rustc --print sysroot)"
    for found in "$sysroot"/lib/rustlib/*/bin/llvm-profdata "$(command -v "llvm-profdata-$llvm")" "$(command -v llvm-profdata)"; do
        if [ -x "$found" ] && reads "$found"; then
            tool="$found"
            return
        fi
    done
    unpack_debian
}

mkdir -p "$home" "$cache"
chmod 700 "$cache"
exec 9>"$home/lock"
flock 9
trap '[ -z "$stage" ] || rm -rf "$stage"' EXIT
llvm="$(llvm_of_rustc)"
find_tool
say "compiling a worker that counts what it runs: minutes, the first time"
RUSTFLAGS="-C embed-bitcode=yes -C profile-generate=$home/counted" CARGO_TARGET_DIR="$home/counting" \
    cargo build --release --locked -p wisp-worker >&2
worker="$home/counting/release/wisp-worker"
profile="$home/$(cat "$worker" benches/train.py | sha256sum | cut -c1-16).profdata"
if [ ! -f "$profile" ]; then
    say "having it do what workers do"
    rm -rf "$home/counted" # what build scripts have counted
    WISP_WORKER="$worker" .venv/bin/python benches/train.py >&2
    merge -o "$profile.new" "$home"/counted/*.profraw
    rm -rf "$home"/*.profdata "$home/target" # and what was compiled by it
    mv "$profile.new" "$profile"
fi
printf '%s\n' "$profile"
