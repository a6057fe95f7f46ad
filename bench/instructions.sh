#!/usr/bin/env bash
# Counts the instructions of one sent message with callgrind; fails above 1.5 million.
# usage: bench/instructions.sh BINARY
# shellcheck source=bench/common.sh
source "$(dirname "$(readlink -f "$0")")/common.sh"
export MATRIX_SYNAPSE_DATA_DIR=$folder
"$binary" content send-message '!r:x.org' warm >/dev/null
valgrind --tool=callgrind --callgrind-out-file="$folder/out" "$binary" content send-message '!r:x.org' hello 2>"$folder/log" >/dev/null
count=$(sed -n 's/.*Collected : *//p' "$folder/log")
echo "instructions $count (at most 1500000)"
test "$count" -le 1500000
