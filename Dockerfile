# krm-sops as a container function: one static binary and the few files without which a container cannot start it.
# docs/container.md says how to run it.
#
#   docker build -t krm-sops .                       compiled in here (BuildKit, and a builder image from a registry)
#   docker build -t krm-sops --target prebuilt .     with a binary that container/build.sh compiled before; no registry
#
# `make image` does the latter, with the labels filled in.

# Debian with Rust and a C compiler. Pin it by digest where you publish: --build-arg BUILDER=rust@sha256:…
ARG BUILDER=rust:1.95.0-slim-bookworm

# What every image is, but for the binary. `nobody` is whom kustomize runs it as; without that line in /etc/passwd an empty
# image cannot start at all.
FROM scratch AS base
COPY container/rootfs/ /
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="krm-sops" \
      org.opencontainers.image.description="A Kustomize function that decrypts SOPS-encrypted Secrets with AWS KMS" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65534:65534
ENTRYPOINT ["/krm-sops"]

# Stands before `build`, so that a builder without BuildKit stops here.
FROM base AS prebuilt
ARG PREBUILT=container/prebuilt
COPY ${PREBUILT}/ /

# Compiles on the machine's own architecture, for the one that is asked for.
FROM --platform=$BUILDPLATFORM ${BUILDER} AS build
ARG TARGETARCH
ARG PROFILE=release
ARG SOURCE_DATE_EPOCH=0
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY container/build.sh container/
# The manifest names it, and is not read without it.
COPY benches/micro.rs benches/
COPY src/ src/
RUN container/build.sh --install "${TARGETARCH}" "${PROFILE}" /image \
 && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM base
COPY --from=build /image/ /
