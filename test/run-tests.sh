#!/usr/bin/env bash
# Without arguments: everything, on a fresh machine. With --smoke, --integration, --unit or --all (or the
# bare words): the contract's phases, on an installed resource, without compiling anything.
set -euo pipefail

here=$(cd -P -- "${BASH_SOURCE[0]%/*}" && pwd -P)
RMS_RESOURCE_DIR=${here%/*}
export RMS_RESOURCE_DIR

usage() {
    printf 'usage: run-tests.sh [--smoke | --integration | --unit | --all]\n' >&2
    exit 1
}

# phase NAME SECONDS
phase() {
    local status=0
    printf '== %s\n' "$1"
    timeout --kill-after=5 "$2" bash "$here/phases/test-$1.sh" </dev/null || status=$?
    if [[ $status == 124 ]]; then
        printf '%s: not done within %s s\n' "$1" "$2"
    fi
    return "$status"
}

phases() {
    local failed=0
    phase unit 60 || failed=1
    phase smoke 30 || failed=1
    phase integration 120 || failed=1
    return "$failed"
}

case ${1:-} in
--smoke | smoke) phase smoke 30 || exit 1 ;;
--integration | integration) phase integration 120 || exit 1 ;;
--unit | unit) phase unit 60 || exit 1 ;;
--all | all) phases || exit 1 ;;
'') bash "$here/everything.sh" || exit 1 ;;
*) usage ;;
esac
