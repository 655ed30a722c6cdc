#!/usr/bin/env bash
# Measures the release binary. BINARY names another one, PEER_KSOPS a binary of KSOPS to compare it with.
#
#   scripts/bench.sh compare   instruction counts, the table of docs/performance.md, the simulation of docs/scale.md
#   scripts/bench.sh counts    instruction counts against those in benches/counts.txt
#   scripts/bench.sh record    … and writes them there
#   scripts/bench.sh scale     the simulation
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
binary=${BINARY:-$target/release/krm-sops}

build_binary() { [[ -n ${BINARY:-} ]] || scripts/build.sh; }
benches() { "$target/benches/release/krm-sops-benches" "$@"; }

cargo build --quiet --locked --release --manifest-path benches/Cargo.toml --target-dir "$target/benches"
case ${1:-} in
  compare)
    build_binary
    grown=0
    benches counts "$binary" benches/counts.txt || grown=1
    benches compare "$binary" .tools/bin ${PEER_KSOPS:+"$PEER_KSOPS"}
    benches scale
    exit $grown
    ;;
  counts)
    build_binary
    benches counts "$binary" benches/counts.txt
    ;;
  record)
    build_binary
    benches counts "$binary" benches/counts.txt --record
    ;;
  scale) benches scale ;;
  *)
    sed -n '2,8s/^# \?//p' "$0" >&2
    exit 2
    ;;
esac
