#!/usr/bin/env bash
# Prints the functions that a short command runs, as the linker names them. BINARY has its symbols still.
# The list that every build uses is written anew with
#   bench/order.sh BINARY | python3 lib/order.py keep >lib/order.txt
# where BINARY is built as lib/core.sh does it, but not linked a second time.
# usage: bench/order.sh BINARY     needs valgrind
# shellcheck source=bench/common.sh
source "$(dirname "$(readlink -f "$0")")/common.sh"
command -v valgrind >/dev/null || {
    printf 'error: this machine lacks valgrind\n\nhint: `apt-get install valgrind`\n' >&2
    exit 1
}
export HOME=$folder MATRIX_SYNAPSE_DATA_DIR=$folder
record() {
    valgrind --tool=callgrind --demangle=no --callgrind-out-file="$folder/calls" "$binary" "$@" >/dev/null 2>&1 || true
    sed -nE "s/^c?fn=\([0-9]+\) ([^']*).*/\1/p" "$folder/calls" >>"$folder/functions"
}
record content send-message '!r:x.org' hello
record content send-message '!r:x.org' hello
record content send-message --queue '!r:x.org' hello
record status --fast
record --help
grep -v -e '^0x' -e '^(' "$folder/functions" | LC_ALL=C sort -u
