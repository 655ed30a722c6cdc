# What there is to run. Needs Rust, Go and Python; everything else is installed into .tools/, in pinned versions.

.PHONY: help demo shell build image test test-long compatibility bench counts micro scale lint tools clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: tools ## see krm-sops work: encrypt, build, decrypt, against an AWS account on this machine
	@cargo build --locked --quiet
	@scripts/demo.sh

shell: tools ## a shell with kustomize, sops, krm-sops and that AWS account, to try the examples in
	@cargo build --locked --quiet
	@scripts/lab.sh bash

build: ## build the release binary, target/release/krm-sops, static where this machine can
	@scripts/build.sh

image: ## make the container image (Linux, with Docker); ARCH=arm64 for another architecture
	@scripts/image.sh

test: tools lint ## lints and all tests, with the real kustomize and sops, and Docker where it can be had
	@scripts/docker.sh cargo test --locked

test-long: tools ## what takes long or needs the open network: dependency checks, more random cases, mutants
	@scripts/test-long.sh

compatibility: tools ## write docs/compatibility.md anew, from a test run
	KRM_SOPS_WRITE=1 cargo test --locked --test it compatibility::

bench: tools ## measure krm-sops beside its peers; PEER_KSOPS=/path/to/ksops takes KSOPS in
	@scripts/bench.sh compare

counts: ## record the instruction counts that `make bench` and `make test-long` compare with
	@scripts/bench.sh record

micro: ## measure parsing, decryption, MAC and splice, each alone
	cargo bench --locked --bench micro

scale: ## the simulation behind docs/scale.md
	@scripts/bench.sh scale

lint: ## formatting and lints
	@scripts/lint.sh

tools: ## install the pinned kustomize, sops and moto into .tools/
	@scripts/tools.sh

clean: ## remove what was built, but not the tools
	cargo clean
	rm -rf .demo
