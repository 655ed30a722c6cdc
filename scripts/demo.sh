#!/usr/bin/env bash
# Shows krm-sops at work on a copy of examples/quickstart: encrypt, build, decrypt, and one refusal. Start it with
# `make demo`. lab.sh gives it the tools and an AWS account on this machine, and takes that down however it ends.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ -z ${KRM_SOPS_DEMO:-} ]]; then
  mkdir -p .demo
  KRM_SOPS_DEMO=yes AWS_LOG=$PWD/.demo/aws.log exec scripts/lab.sh scripts/demo.sh
fi

west=us-west-2-platform-engineering-sbx
east=us-east-1-platform-engineering-prd

if [[ -t 1 ]]; then bold=$'\e[1m' faint=$'\e[2m' green=$'\e[32m' off=$'\e[0m'; else bold='' faint='' green='' off=''; fi
heading() { printf '\n%s%s%s\n' "$bold" "$1" "$off"; }
say() { printf '%s%s%s\n' "$faint" "$1" "$off"; }
run() { printf '%s$ %s%s\n' "$green" "$*" "$off" >&4 && "$@"; } # shows the command even where its output goes elsewhere
shorten() { sed -E 's/(ENC\[AES256_GCM,data:.{10})[^]]*/\1.../; s/(enc: .{16}).*/\1.../'; }
secret_only() { awk 'BEGIN { RS = "---\n" } /kind: Secret/'; }

exec 4>&1

printf '%skrm-sops: SOPS-encrypted Secrets, decrypted inside kustomize build%s\n' "$bold" "$off"
say 'The AWS account here is a stand-in on this machine (moto): nothing leaves it.'

rm -rf .demo/quickstart
cp -R examples/quickstart .demo/quickstart
cd .demo/quickstart

heading '1. Encrypt, as one does before committing'
say '.sops.yaml says which KMS key, through which role: one rule for each cluster.'
for cluster in "$west" "$east"; do
  cp "plain/$cluster/database.yaml" "secrets/$cluster/"
  run sops encrypt -i "secrets/$cluster/database.yaml"
done
say "What is committed (secrets/$west/database.yaml, shortened):"
shorten <"secrets/$west/database.yaml"

heading '2. Build: krm-sops is a transformer of the kustomization'
grep -A 2 '^# Two lines' "clusters/$west/kustomization.yaml"
: >../aws.log
run kustomize build --enable-alpha-plugins "clusters/$west" >../west.yaml
say 'The Secret, in its namespace and decrypted (the Deployment beside it is as it was):'
secret_only <../west.yaml
run kustomize build --enable-alpha-plugins "clusters/$east" >../east.yaml
say 'The other cluster, likewise: another key, in another region.'

heading '3. What AWS was asked for by these two builds'
sed -E 's/.*"service": "([a-z]+)", "action": "([A-Za-z]+)", "region": "([^"]+)", "target": "([^"]+)".*/  \1 \2  \4/' ../aws.log

heading '4. Someone edits the file without sops'
run sed -i.orig 's/name: database/name: another/' "secrets/$west/database.yaml"
if run kustomize build --enable-alpha-plugins "clusters/$west" 2>../refusal.txt; then
  echo 'krm-sops: this build should have been refused.' >&2
  exit 1
fi
cat ../refusal.txt
say 'Nothing was decrypted, nothing was printed, and the build failed.'

heading 'Next'
cat <<'NEXT'
  make shell            a shell with these tools and this account: build the examples yourself
  examples/README.md    the other ways to run krm-sops, one small repository for each
  README.md             how to put it into yours
NEXT
