#!/usr/bin/env bash
# What the phases in test/phases share: a line for each check, and a summary. Sourced under
# `set -euo pipefail`. A check is a command line of the program or of the shell; a phase goes on after
# one that failed.

# The one account that the phases use; it stays.
# shellcheck disable=SC2034 # read by the phases
PHASE_USER=contract-test

phase_passed=0
phase_failed=0
# What the last command wrote, both streams, and its exit code.
said=''
code=0

# Runs the program as a scenario would.
phase::program() {
    code=0
    said=$(timeout 25 "$RMS_RESOURCE_DIR/cli.sh" "$@" 2>&1 </dev/null) || code=$?
}

phase::pass() {
    phase_passed=$((phase_passed + 1))
    printf 'ok      %s\n' "$1"
}

phase::fail() {
    phase_failed=$((phase_failed + 1))
    printf 'FAILED  %s\n' "$1"
    if [[ -n ${2:-} ]]; then
        printf '%s\n' "$2" | head -n 12 | sed 's/^/        /'
    fi
}

# phase::check SENTENCE COMMAND...: passes where the command does.
phase::check() {
    local sentence=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        phase::pass "$sentence"
    else
        phase::fail "$sentence" "$output"
    fi
}

# phase::expect SENTENCE EXIT_CODES PATTERN ARGUMENTS...: runs the program; passes where it ends with one
# of the codes (`0`, `0|2`) and what it said matches the extended regular expression.
phase::expect() {
    local sentence=$1 wanted=$2 pattern=$3
    shift 3
    phase::program "$@"
    if [[ ! $code =~ ^($wanted)$ ]]; then
        phase::fail "$sentence" "exit code $code instead of $wanted: $said"
    elif [[ ! $said =~ $pattern ]]; then
        phase::fail "$sentence" "it does not say /$pattern/: $said"
    else
        phase::pass "$sentence"
    fi
}

# phase::soon SENTENCE CODE PATTERN WORDS...: the same within ten seconds, of what the server knows a moment later.
phase::soon() {
    local end=$((SECONDS + 10))
    while phase::program "${@:4}"; [[ ! $code =~ ^($2)$ || ! $said =~ $3 ]] && ((SECONDS < end)); do
        sleep 0.1
    done
    phase::expect "$@"
}

phase::contains() {
    [[ $1 == *"$2"* ]] || { printf 'not found: %s\nin: %s\n' "$2" "$1"; return 1; }
}

phase::lacks() {
    [[ $1 != *"$2"* ]] || { printf 'found: %s\nin: %s\n' "$2" "$1"; return 1; }
}

# phase::variable NAME: what config/exports.sh tells scenarios.
phase::variable() (
    # shellcheck source=../config/exports.sh
    source "$RMS_RESOURCE_DIR/config/exports.sh"
    printf '%s' "${!1}"
)

# phase::get URL PATH TEXT: passes where the answer of a plain HTTP server holds the text; within 5 s.
phase::get() {
    local address=${1#http://} answer
    # shellcheck disable=SC2016
    answer=$(timeout 5 bash -c '
        exec 3<>"/dev/tcp/${0%:*}/${0##*:}"
        printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$1" "$0" >&3
        cat <&3' "$address" "$2")
    phase::contains "$answer" "$3"
}

# The summary; the exit code of the phase.
phase::summary() {
    printf '%s: %s passed, %s failed\n' "$1" "$phase_passed" "$phase_failed"
    ((phase_failed == 0))
}
