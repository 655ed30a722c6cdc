#!/usr/bin/env bash
# What takes long or needs the open network. What a machine cannot have is skipped, loudly.
set -euo pipefail
cd "$(dirname "$0")/.."
skipped() { printf '\nSKIPPED: %s\n\n' "$1" >&2; }

have() { # a cargo subcommand, installed if it can be
  command -v "$1" >/dev/null || [[ -x .tools/bin/$1 ]] || cargo install --quiet --locked --root .tools "$1"
}
export PATH=$PWD/.tools/bin:$PATH

if have cargo-deny; then
  cargo deny check bans licenses sources
  if cargo deny fetch >/dev/null 2>&1; then cargo deny check advisories; else skipped 'advisories: their database cannot be fetched'; fi
else
  skipped 'licences, bans and advisories: cargo-deny cannot be installed'
fi

echo 'Property tests, with 20 times the cases'
PROPTEST_CASES=5000 cargo test --locked --lib
echo 'Random repositories, with 10 times the cases'
KRM_SOPS_CASES="${KRM_SOPS_CASES:-400}" cargo test --locked --test it random::

echo 'Credentials of ECS, EKS and EC2 at the addresses that they have at AWS, in a network of its own'
if unshare -rn ip link set lo up 2>/dev/null; then
  cargo test --locked --test it --no-run
  # shellcheck disable=SC2016
  unshare -rn sh -c '
    ip link set lo up
    for address in 169.254.170.2 169.254.170.23 169.254.169.254; do ip address add "$address/32" dev lo; done
    exec cargo test --locked --offline --test it at_the_addresses_that_aws_uses -- --ignored'
else
  skipped 'credentials at their own addresses: unshare or ip is missing, or may make no network'
fi

echo 'Instruction counts of the release binary'
scripts/bench.sh counts

if have cargo-fuzz; then
  for target in input sealed_file rules; do
    # libFuzzer's instrumentation is unstable; this lets a stable compiler do it.
    RUSTC_BOOTSTRAP=1 cargo fuzz run "$target" -- -max_total_time="${FUZZ_SECONDS:-60}"
  done
else
  skipped 'fuzzing: cargo-fuzz cannot be installed'
fi

if have cargo-mutants; then
  cargo mutants --in-place --file src/policy.rs --file src/open.rs --file src/recover.rs
else
  skipped 'mutants: cargo-mutants cannot be installed'
fi
