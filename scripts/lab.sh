#!/usr/bin/env bash
# Runs a command with all that the examples need: kustomize, sops and krm-sops on the PATH, krm-sops in its place as an
# exec plugin, and an AWS account on this machine, with two KMS keys and the role that may use them.
#
#   scripts/lab.sh bash        a shell to try the examples in (`make shell` builds first)
#
# AWS_LOG names the file in which the account writes down what it is asked.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
lab=$root/.demo
binary=${CARGO_TARGET_DIR:-$root/target}/debug/krm-sops
[[ -x $binary && -x $root/.tools/bin/sops ]] || { echo 'krm-sops: not built yet; start this with make.' >&2; exit 1; }

plugin=$lab/plugins/krm-sops.dev/v1/sopsdecrypt
mkdir -p "$lab/bin" "$plugin"
ln -sf "$binary" "$lab/bin/krm-sops"
ln -sf "$binary" "$plugin/SopsDecrypt"

# The caller's credentials as a profile, for a container that they are mounted into.
mkdir -p "$lab/aws"
(umask 077 && printf '[deployer]\naws_access_key_id = AKIADEMO\naws_secret_access_key = demo\n' >"$lab/aws/credentials")
printf '[profile deployer]\nregion = us-west-2\n' >"$lab/aws/config"
# … and the token of a pod or a CI job, which is a file, too.
mkdir -p "$lab/token"
printf 'demo-token' >"$lab/token/token"

# The account ends when its standard input does. This script, and the command that it becomes, hold the other end: it
# cannot be left behind, however the command ends.
ready=$(mktemp -d "$lab/ready.XXXXXX")
mkfifo "$ready/url"
exec 3> >(exec "$root/.tools/venv/bin/python" "$root/scripts/aws_standin.py" --until-eof \
  --role flux-secrets \
  --web-identity demo-token=deployer \
  --key us-west-2=0d1c2b3a-4f5e-4a6b-8c7d-9e8f7a6b5c4d \
  --key us-east-1=5a4b3c2d-1e0f-4d9c-8b7a-6f5e4d3c2b1a \
  --log "${AWS_LOG:-/dev/null}" >"$ready/url")
read -r url <"$ready/url" || { echo 'krm-sops: the stand-in for AWS did not start (see above).' >&2; exit 1; }
rm -r "$ready"

# Nothing of the caller's own AWS setup may be reached, or reach in.
while read -r name; do unset "$name"; done < <(compgen -e AWS_ | grep -v '^AWS_LOG$' || true)
export AWS_ENDPOINT_URL=$url AWS_ACCESS_KEY_ID=AKIADEMO AWS_SECRET_ACCESS_KEY=demo \
  AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true \
  NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 \
  PATH=$lab/bin:$root/.tools/bin:$PATH KUSTOMIZE_PLUGIN_HOME=$lab/plugins
exec "$@"
