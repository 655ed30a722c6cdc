#!/usr/bin/env bash
# Runs a command with what the container tests need: a Docker daemon, and the image of this source in KRM_SOPS_IMAGE.
#
#   scripts/docker.sh cargo test --test it container::
#
# A daemon that runs is used and left alone. Else root gets one of its own on a machine like Debian (docker.io is installed
# if it is missing): with a socket and a directory that no other daemon has, and stopped when the command has ended.
# Where neither can be had the command runs without, those tests are skipped, and this says so at its very end.
set -euo pipefail
cd "$(dirname "$0")/.."
image=krm-sops:test-$$
own=
skipped=

finish() {
  local status=$?
  trap - EXIT
  if [[ -n ${KRM_SOPS_IMAGE:-} ]]; then docker image rm --force "$image" >/dev/null || true; fi
  stop_daemon
  if [[ -n $skipped ]]; then
    printf '\n==== SKIPPED: the tests of the container image. %s ====\n\n' "$skipped" >&2
  fi
  exit "$status"
}

stop_daemon() {
  [[ -n $own ]] || return 0
  local daemon
  if daemon=$(cat "$own/pid" 2>/dev/null); then
    kill "$daemon" || true
    for _ in {1..100}; do
      kill -0 "$daemon" 2>/dev/null || break
      sleep 0.1
    done
  fi
  # It leaves the network of the machine mounted, as a name.
  umount "$own"/exec/netns/* 2>/dev/null || true
  rm -rf "$own" || true
}

works() { docker info >/dev/null 2>&1; }

install_docker() {
  command -v docker >/dev/null && command -v dockerd >/dev/null && return
  command -v apt-get >/dev/null || { skipped='Docker is missing, and there is no apt-get to install it.' && return 1; }
  echo 'Installing docker.io ...'
  local DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  { apt-get update -qq && apt-get install -qq -y --no-install-recommends docker.io; } >/dev/null 2>&1 ||
    { skipped='docker.io cannot be installed with apt-get.' && return 1; }
}

# Neither bridge nor firewall: the containers here have the network of this machine, or none.
start_daemon() {
  own=$(mktemp -d /tmp/krm-sops-docker.XXXXXX)
  chmod 711 "$own"
  export DOCKER_HOST=unix://$own/socket
  dockerd --host "$DOCKER_HOST" --data-root "$own/data" --exec-root "$own/exec" --pidfile "$own/pid" \
    --iptables=false --bridge=none >"$own/log" 2>&1 &
  local child=$!
  for _ in {1..300}; do
    works && return
    kill -0 "$child" 2>/dev/null || break
    sleep 0.1
  done
  skipped="A Docker daemon does not start: $(tail -n 1 "$own/log")"
  unset DOCKER_HOST
  return 1
}

have_daemon() {
  [[ $(uname) == Linux ]] || { skipped='They need Linux, where a container can share the network.' && return 1; }
  works && return
  [[ $(id -u) == 0 ]] || { skipped='No Docker daemon runs, and only root can start one.' && return 1; }
  install_docker && start_daemon
}

have_image() {
  echo 'Compiling the container image ...'
  local status=0
  scripts/image.sh "$image" release || status=$?
  case $status in
    0) ;;
    69) skipped='The static binary cannot be compiled here (see above).' && return 1 ;;
    *) exit "$status" ;;
  esac
  # A daemon on another machine, or beside a container that this runs in, sees none of our files.
  docker run --rm --network none --mount "type=bind,src=$PWD/examples/overlay,dst=/probe,readonly" "$image" check /probe >/dev/null ||
    { skipped='The Docker daemon does not see the files of this machine.' && return 1; }
}

trap finish EXIT
if have_daemon && have_image; then export KRM_SOPS_IMAGE=$image; fi
"$@"
