#!/usr/bin/env bash
# Renews the locked sets of Python packages: each `*.in` names what is wanted, each `*.lock` every
# package with its hashes, for all Pythons from 3.10 on. Needs uv. With `--upgrade` takes the newest
# versions of what is not pinned.
set -euo pipefail

self=$(readlink -f -- "${BASH_SOURCE[0]}")
cd -- "${self%/*}/../src/python"
for list in *.in; do
    built=(--only-binary :all:)
    # Some of its packages there are only as sources (`SOURCES` in set.rs).
    [[ $list != telegram.in ]] || built=()
    uv pip compile --quiet --universal --python-version 3.10 --generate-hashes "${built[@]}" \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        --output-file "${list%.in}.lock" "$@" "$list"
done
