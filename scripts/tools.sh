#!/usr/bin/env bash
# Installs the tools that demo and tests use into .tools/: kustomize and sops (with Go), moto (with Python).
# What is there in the pinned version is left alone, so a second run takes no time.
set -euo pipefail
cd "$(dirname "$0")/.."

kustomize=v5.8.2
sops=v3.13.2
moto=5.2.5

need() { # COMMAND WHAT-IT-IS-FOR
  command -v "$1" >/dev/null && return
  printf 'krm-sops: `%s` is missing. %s\n' "$1" "$2" >&2
  exit 1
}

# A tool counts as installed once its stamp is there, and the stamp is written last: what was interrupted is done anew.
install() { # NAME VERSION FUNCTION
  local stamp=.tools/installed/$1@$2
  [[ -e $stamp ]] && return
  printf 'Installing %s %s into .tools/ ...\n' "$1" "$2"
  rm -f .tools/installed/"$1"@*
  "$3"
  mkdir -p .tools/installed
  touch "$stamp"
}

go_install() { # MODULE
  need go 'Install Go 1.26 or newer: kustomize and sops are built with it.'
  mkdir -p .tools/bin .tools/building
  GOBIN=$PWD/.tools/building go install "$1"
  mv .tools/building/* .tools/bin/
}

install_kustomize() { go_install "sigs.k8s.io/kustomize/kustomize/v5@$kustomize"; }
install_sops() { go_install "github.com/getsops/sops/v3/cmd/sops@$sops"; }

# moto's own `server` extra brings sympy, cfn-lint and more for services that are not used here.
install_moto() {
  need python3 'Install Python 3.10 or newer, with its venv module: the local stand-in for AWS runs on it.'
  rm -rf .tools/venv
  python3 -m venv .tools/venv || {
    echo 'krm-sops: Python cannot make a virtual environment; on Debian and Ubuntu, install python3-venv.' >&2
    exit 1
  }
  .tools/venv/bin/python -m pip install --quiet --disable-pip-version-check \
    "moto==$moto" 'flask==3.1.3' 'flask-cors==6.0.5'
}

need cargo 'Install Rust 1.94.1 or newer (see https://rustup.rs).'
install kustomize "$kustomize" install_kustomize
install sops "$sops" install_sops
install moto "$moto" install_moto
