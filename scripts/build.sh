#!/usr/bin/env bash
# Builds the release binary into target/release: the static one that the container image has, too, where this machine can
# compile it, else one that is linked to its C library.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}

unavailable=69
if [[ $(uname -s) == Linux ]]; then
  status=0
  container/build.sh "" release "$target/release" || status=$?
  case $status in
    0) exit ;;
    "$unavailable") echo "krm-sops: linked to this machine's C library instead; it starts in half a millisecond more" >&2 ;;
    *) exit "$status" ;;
  esac
fi
cargo build --locked --release
