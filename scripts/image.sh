#!/usr/bin/env bash
# Makes the container image: compiles the static binary here and puts it into the Dockerfile's `prebuilt` stage, which needs
# no registry.
#
#   scripts/image.sh [TAG] [PROFILE]        krm-sops:VERSION and release, unless told
#
# ARCH=arm64 makes the image for another architecture, where a C compiler for it is installed. SOURCE names the repository
# in the image's labels. Exit status 69: this machine lacks what it takes to compile it.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
tag=${1:-krm-sops:$version} profile=${2:-release}
prebuilt=container/prebuilt/$profile${ARCH:+-$ARCH}
container/build.sh "${ARCH:-}" "$profile" "$prebuilt"

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
if ! git diff --quiet HEAD 2>/dev/null; then revision=$revision-changed; fi
docker build --quiet --tag "$tag" --target prebuilt ${ARCH:+--platform "linux/$ARCH"} \
  --build-arg PREBUILT="$prebuilt" --build-arg VERSION="$version" --build-arg REVISION="$revision" \
  --build-arg SOURCE="${SOURCE:-unknown}" . >/dev/null
echo "$tag: $(($(docker image inspect --format '{{.Size}}' "$tag") / 1000)) kB"
