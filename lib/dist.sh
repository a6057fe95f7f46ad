#!/usr/bin/env bash
# Builds what is published, target/dist/resource-matrix-synapse: one static program that needs no library of
# the machine. Built twice: once to see which functions a short command runs, then with these side by side,
# so that few pages of the file have to be mapped for it; that is a seventh of its time.
# usage: lib/dist.sh     needs cargo, a C linker, python3 and valgrind
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
built=target/$host/dist/resource-matrix-synapse
command -v valgrind >/dev/null || {
    printf 'error: this machine lacks valgrind\n\nhint: `apt-get install valgrind`\n' >&2
    exit 1
}
export RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static' CARGO_PROFILE_DIST_STRIP=none
build=(cargo rustc --locked --profile dist --target "$host" --bin resource-matrix-synapse --)

"${build[@]}"
if [[ $host != x86_64-*-linux-gnu ]]; then
    # Only there rustc links with lld, which can lay functions out.
    install -D "$built" target/dist/resource-matrix-synapse
    strip target/dist/resource-matrix-synapse
    exit
fi

# shellcheck source=bench/common.sh
source bench/common.sh "$built"
record() {
    HOME=$folder MATRIX_SYNAPSE_DATA_DIR=$folder valgrind --tool=callgrind --demangle=no \
        --callgrind-out-file="$folder/calls" "$PWD/$built" "$@" >/dev/null 2>&1 || true
    sed -nE "s/^c?fn=\([0-9]+\) ([^']*).*/\1/p" "$folder/calls" >>"$folder/functions"
}
record content send-message '!r:x.org' hello
record status --fast
record --help
sort -u "$folder/functions" >"$folder/order"
"${build[@]}" -C link-arg=-Wl,--symbol-ordering-file="$folder/order" -C link-arg=-Wl,--no-warn-symbol-ordering \
    -C link-arg=-s
install -D "$built" target/dist/resource-matrix-synapse
