#!/usr/bin/env bash
# Stands before rustc while everything.sh builds the test programs, so that clippy reads each source once: the
# library's with its tests, and not again where it is built without them.
set -euo pipefail

words=" $* "
if [[ $words == *' --crate-type lib '* && $words != *' --test '* ]]; then
    exec "$@" -D warnings
fi
exec clippy-driver "$@"
