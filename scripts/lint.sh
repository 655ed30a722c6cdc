#!/usr/bin/env bash
# Formatting and lints. A toolchain without rustfmt or clippy skips them, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

if cargo fmt --version >/dev/null 2>&1; then
  cargo fmt --check
  cargo fmt --check --manifest-path benches/Cargo.toml
else
  echo 'SKIPPED: formatting is not checked, rustfmt is missing (rustup component add rustfmt)' >&2
fi
if cargo clippy --version >/dev/null 2>&1; then
  cargo clippy --locked --all-targets -- -D warnings
  cargo clippy --locked --manifest-path benches/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/benches" -- -D warnings
else
  echo 'SKIPPED: lints are not checked, clippy is missing (rustup component add clippy)' >&2
fi
