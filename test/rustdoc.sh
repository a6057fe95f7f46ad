#!/usr/bin/env bash
# Stands in for rustdoc while everything.sh asks cargo to try the examples in the documentation, and has the
# documentation written instead: with the crates that are built already, where `cargo doc` checks each anew.
set -euo pipefail

words=()
while (($# > 0)); do
    case $1 in
    --test) ;;
    --test-run-directory) shift ;;
    *) words+=("$1") ;;
    esac
    shift
done
exec rustdoc "${words[@]}"
