#!/bin/sh
# Compiles the static binary of the container image, so that the same source gives the same bytes wherever it is compiled.
#
#   container/build.sh [--install] ARCHITECTURE PROFILE DIRECTORY
#
# ARCHITECTURE is amd64 or arm64 as Docker names them, or empty for this machine's. The binary is put into DIRECTORY as
# krm-sops. --install lets it install a C compiler for another architecture with apt-get: for the Dockerfile. Exit status 69:
# this machine lacks a compiler or Rust's library for the architecture.
set -eu
cd "$(dirname "$0")/.."

install=
if [ "$1" = --install ]; then install=yes && shift; fi
architecture=${1:-$(uname -m)} profile=$2 directory=$3

case $architecture in
  amd64 | x86_64) cpu=x86_64 ;;
  arm64 | aarch64) cpu=aarch64 ;;
  *) echo "krm-sops: no image is made for $architecture, only for amd64 and arm64" >&2 && exit 1 ;;
esac
target=$cpu-unknown-linux-musl

# Rust brings musl with it, but not its headers. A C compiler is needed for the assembly of ring, which calls no C library, and
# for mimalloc, which calls what is the same in musl and in the C library whose headers it is compiled with.
compiler=gcc
if [ "$cpu" != "$(uname -m)" ]; then
  compiler=$cpu-linux-gnu-gcc
  if [ -n "$install" ] && ! command -v "$compiler" >/dev/null; then
    apt-get update -qq
    apt-get install -qq -y --no-install-recommends "gcc-$(echo "$cpu" | tr _ -)-linux-gnu" "libc6-dev-$architecture-cross"
  fi
fi
command -v "$compiler" >/dev/null || {
  echo "krm-sops: $compiler is missing, the C compiler for $target" >&2
  exit 69
}
if ! [ -d "$(rustc --print target-libdir --target "$target")" ] && ! rustup --quiet target add "$target"; then
  echo "krm-sops: Rust's library for $target is missing (rustup target add $target)" >&2
  exit 69
fi
cargo fetch --quiet --locked --target "$target"

# Panics name source files: this crate's by relative paths, others' by where they were unpacked, which may not show.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
flags=
for registry in "$cargo_home"/registry/src/*; do flags="$flags --remap-path-prefix=$registry=/crates"; done

variable=$(echo "$target" | tr - _)
# What newer headers and compilers would call instead of that, musl does not have.
export "CC_$variable=$compiler" "CFLAGS_$variable=-std=gnu11 -U_FORTIFY_SOURCE -ffile-prefix-map=$cargo_home=/cargo"
export "CARGO_TARGET_$(echo "$variable" | tr '[:lower:]' '[:upper:]')_LINKER=$compiler"
# Relocations in their short form: a third of a megabyte less to load, and as random an address.
flags="$flags -C link-arg=-Wl,-z,pack-relative-relocs"
export RUSTFLAGS="${flags# } -C target-feature=+crt-static -C link-self-contained=yes" SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}"
cargo build --locked --target "$target" --profile "$profile" --bin krm-sops
mkdir -p "$directory"
install -m 755 "${CARGO_TARGET_DIR:-target}/$target/$profile/krm-sops" "$directory/krm-sops"
