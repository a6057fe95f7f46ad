# shellcheck shell=bash
# What the scripts here have in common: a stub server that ends by itself, and a data folder whose
# session leads to it; both go when the script ends.
# Sourced with the arguments of the script; sets `binary`, `folder` and `port`.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck disable=SC2034  # the script that sources this uses it
binary=${1:-$here/../target/release/resource-matrix-synapse}
folder=$(mktemp -d)
exec 3< <(exec python3 "$here/stub.py" 120)
stub=$!
trap 'kill "$stub" 2>/dev/null || true; rm -rf "$folder"' EXIT
read -r port <&3
mkdir -p "$folder/secrets"
cat >"$folder/secrets/operator.json" <<JSON
{"url":"http://127.0.0.1:$port","server_name":"x.org","user_id":"@op:x.org","device_id":"D","access_token":"t"}
JSON
