#!/usr/bin/env bash
# Counts the instructions of one sent message with callgrind; fails above 1.5 million.
# usage: bench/instructions.sh BINARY
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
binary=${1:-$here/../target/release/resource-matrix-synapse}
folder=$(mktemp -d)
exec 3< <(exec python3 "$here/stub.py" 60)
stub=$!
trap 'kill "$stub" 2>/dev/null || true; rm -rf "$folder"' EXIT
read -r port <&3
mkdir -p "$folder/secrets"
cat >"$folder/secrets/operator.json" <<JSON
{"url":"http://127.0.0.1:$port","server_name":"x.org","user_id":"@op:x.org","device_id":"D","access_token":"t"}
JSON
export MATRIX_SYNAPSE_DATA_DIR=$folder
"$binary" content send-message '!r:x.org' warm >/dev/null
valgrind --tool=callgrind --callgrind-out-file="$folder/out" "$binary" content send-message '!r:x.org' hello 2>"$folder/log" >/dev/null
count=$(sed -n 's/.*Collected : *//p' "$folder/log")
echo "instructions $count (at most 1500000)"
test "$count" -le 1500000
