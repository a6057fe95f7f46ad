#!/usr/bin/env bash
# The unit phase (60 s): settings, rendering, parsing and refusals, without a server and without touching
# the installed one.
set -euo pipefail

here=$(cd -P -- "${BASH_SOURCE[0]%/*}" && pwd -P)
RMS_RESOURCE_DIR=${here%/test/phases}
export RMS_RESOURCE_DIR
# shellcheck source=../../lib/test.sh
source "$RMS_RESOURCE_DIR/lib/test.sh"

folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
# What the caller has set is about the installed server.
for name in ${!MATRIX_@} ${!SYNAPSE_@} ${!POSTGRES_@} VROOLI_ROOT DRY_RUN; do
    unset -v "$name"
done
export MATRIX_SYNAPSE_DATA_DIR=$folder/data
mkdir -m 700 -- "$MATRIX_SYNAPSE_DATA_DIR"
settings=$MATRIX_SYNAPSE_DATA_DIR/settings.yaml

phase::expect 'help lists the groups' 0 'content.*manage|manage.*content' help
phase::expect 'no words are a question for help' 0 'Usage:'
phase::expect 'a group alone shows its help' 0 'send-message' content
phase::expect 'an unknown command is refused' 1 'unrecognized' frobnicate
phase::expect 'programs get errors as JSON' 1 '^\{"error":' frobnicate --json
phase::expect 'info has the order of starting' 0 '"startup_order":[0-9]+' info --json
phase::expect 'nothing is installed in an empty folder' 2 '"installed":false' status --json
phase::expect 'no credentials are there' 2 '' credentials
phase::expect 'sending without a server is refused' 1 'hint: .*(install|start)' \
    content send-message '#a' b

phase::expect 'the defaults are shown' 0 'vrooli\.local' config show server.name
printf 'server:\n  name: chat.example.org\n' >"$settings"
phase::expect 'the settings file counts' 0 'chat\.example\.org' config show server.name
export MATRIX_SYNAPSE_SERVER_NAME=env.example.org
phase::expect 'the environment counts more' 0 'env\.example\.org' config show server.name
phase::expect 'a flag counts most' 0 'flag\.example\.org' \
    config show server.name --set server.name=flag.example.org
unset -v MATRIX_SYNAPSE_SERVER_NAME
export MATRIX_HTTP_PORT=8123
phase::expect 'the launcher'"'"'s names work' 0 '8123' config show server.port
unset -v MATRIX_HTTP_PORT
export SYNAPSE_DB_PASSWORD=hunter2hunter2
phase::expect 'a secret is shown as stars' 0 'database\.password.*\*\*\*\*\*' config show
phase::check 'and as nothing else' phase::lacks "$said" hunter2
unset -v SYNAPSE_DB_PASSWORD

printf 'server:\n  prot: 1\n' >"$settings"
phase::expect 'a misspelt setting is refused with the right one' 1 'server\.port' config show
printf 'server:\n  name: Upper.example/path\n' >"$settings"
phase::expect 'a bad server name is refused' 1 'server\.name' config show
rm -f -- "$settings"
phase::expect 'a bad port is refused' 1 'server\.port' config show --set server.port=99999
phase::expect 'a bad amount is refused' 1 'max_upload_size' \
    config show --set synapse.max_upload_size=much
phase::expect 'the configuration can be rendered' 0 'server_name.*rendered\.example\.org' \
    config render --set server.name=rendered.example.org

phase::check 'the exports work in a strict shell' bash -c \
    'set -euo pipefail; source "$0"; [[ $MATRIX_SYNAPSE_URL == http://* ]]' \
    "$RMS_RESOURCE_DIR/config/exports.sh"
phase::check 'the defaults work in a strict shell' bash -c \
    'set -euo pipefail; source "$0"; [[ $MATRIX_SYNAPSE_PORT == 8008 ]]' \
    "$RMS_RESOURCE_DIR/config/defaults.sh"
for shell in bash zsh fish; do
    phase::expect "there are completions for $shell" 0 'resource-matrix-synapse' completions "$shell"
done
phase::summary unit
