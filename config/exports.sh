#!/usr/bin/env bash
# Generated from src/config by `UPDATE=1 cargo test generated::`; do not edit.
# What scenarios may know of the homeserver, to be sourced. Of an installed one the values that it
# runs with, else the environment's, else the defaults. Prints nothing, exports no secret, can be
# sourced twice, works under `set -euo pipefail`.

matrix_synapse_exports() {
    local folder=${MATRIX_SYNAPSE_DATA_DIR:-${HOME:-/nonexistent}/.vrooli/resources/matrix-synapse}
    local name value text=
    if [[ -f $folder/instance.env && -r $folder/instance.env ]]; then
        IFS= read -r -d '' text <"$folder/instance.env" 2>/dev/null || :
    fi
    # Without its last line the file was cut off, and is not believed.
    if [[ $text == *$'\n# end\n' ]]; then
        # Parsed, not sourced: only these names, and no value that a shell would look at twice.
        while IFS='=' read -r name value || [[ -n $name ]]; do
            case $name in
            MATRIX_SYNAPSE_DATA_DIR | MATRIX_SYNAPSE_HOST | MATRIX_SYNAPSE_PORT | MATRIX_SYNAPSE_BASE_URL | MATRIX_SYNAPSE_SERVER_NAME | MATRIX_SYNAPSE_URL | MATRIX_SYNAPSE_INSTALLED_VERSION) ;;
            *) continue ;;
            esac
            case $value in
            '' | *[!A-Za-z0-9._:/@%~+,=\[\]-]*) continue ;;
            esac
            export "$name=$value"
        done <<<"$text"
    fi
    export MATRIX_SYNAPSE_HOST=${MATRIX_SYNAPSE_HOST:-127.0.0.1}
    export MATRIX_SYNAPSE_PORT=${MATRIX_SYNAPSE_PORT:-8008}
    export MATRIX_SYNAPSE_SERVER_NAME=${MATRIX_SYNAPSE_SERVER_NAME:-vrooli.local}
    export MATRIX_SYNAPSE_URL=${MATRIX_SYNAPSE_URL:-http://$MATRIX_SYNAPSE_HOST:$MATRIX_SYNAPSE_PORT}
    export MATRIX_SYNAPSE_BASE_URL=${MATRIX_SYNAPSE_BASE_URL:-$MATRIX_SYNAPSE_URL}
    for name in SYNAPSE_DB_PASSWORD MATRIX_POSTGRES_PASSWORD MATRIX_SYNAPSE_DB_ADMIN_PASSWORD SYNAPSE_REGISTRATION_SECRET MATRIX_SYNAPSE_REGISTRATION_SECRET MATRIX_SYNAPSE_REDIS_PASSWORD MATRIX_SYNAPSE_BACKUP_S3_SECRET_KEY MATRIX_SYNAPSE_TURN_SECRET MATRIX_SYNAPSE_OIDC_CLIENT_SECRET MATRIX_SYNAPSE_S3_SECRET_KEY MATRIX_SYNAPSE_RELAY_DATABASE_URL ${!MATRIX_SYNAPSE_@}; do
        case $name in
        *SECRET* | *PASSWORD* | *TOKEN*) unset -v "$name" 2>/dev/null || : ;;
        esac
    done
}
matrix_synapse_exports
unset -f matrix_synapse_exports
