#!/usr/bin/env bash
# Renews the locked sets of Python packages: each `*.in` names what is wanted, each `*.lock` every
# package with its hashes, for all Pythons from 3.10 on. Needs uv. With `--upgrade` takes the newest
# versions of what is not pinned.
set -euo pipefail

self=$(readlink -f -- "${BASH_SOURCE[0]}")
cd -- "${self%/*}/../src/python"
compile() {
    uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header \
        --no-annotate --no-emit-index-url --no-emit-find-links "$@"
}
for list in *.in; do
    [[ $list != s3.in ]] || continue
    built=(--only-binary :all:)
    # Some of its packages there are only as sources (`SOURCES` in set.rs).
    [[ $list != telegram.in ]] || built=()
    compile "${built[@]}" --output-file "${list%.in}.lock" "$@" "$list"
done
# These go beside Synapse's own, in the same versions where both want one. Synapse brings psycopg2 as
# `psycopg2-binary`; under the other name there are only sources.
there=(--no-emit-package psycopg2)
while IFS= read -r package; do
    there+=(--no-emit-package "$package")
done < <(sed -nE 's/^([a-z0-9.-]+)(\[[^]]*\])?==.*/\1/p' synapse.lock)
compile --only-binary :all: --constraint synapse.lock "${there[@]}" \
    --override <(printf "psycopg2; sys_platform == 'never'\n") --output-file s3.lock "$@" s3.in
# The store that a test runs.
compile --only-binary :all: --output-file ../../test/store.lock "$@" ../../test/store.in
