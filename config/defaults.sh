#!/usr/bin/env bash
# Generated from src/config by `UPDATE=1 cargo test generated::`; do not edit.
# The default of each setting that has one, where the environment does not set it. Nothing is
# exported: a default that reached the program as a variable would win over settings.yaml.
# Works under `set -euo pipefail`.

# server
: "${MATRIX_SYNAPSE_SERVER_NAME:=vrooli.local}"
: "${MATRIX_SYNAPSE_PORT:=8008}"
: "${MATRIX_SYNAPSE_ADDRESS:=127.0.0.1}"
: "${MATRIX_SYNAPSE_METRICS_PORT:=8009}"
: "${MATRIX_SYNAPSE_BEHIND_PROXY:=false}"
: "${MATRIX_SYNAPSE_OPERATOR:=operator}"

# database
: "${MATRIX_SYNAPSE_DATABASE:=auto}"
: "${SYNAPSE_DB_PORT:=5433}"
: "${SYNAPSE_DB_NAME:=synapse}"
: "${SYNAPSE_DB_USER:=synapse}"
: "${MATRIX_SYNAPSE_DB_ADMIN_USER:=vrooli}"
: "${MATRIX_SYNAPSE_DB_TLS:=prefer}"
: "${MATRIX_SYNAPSE_DB_CONNECTIONS_MIN:=5}"
: "${MATRIX_SYNAPSE_DB_CONNECTIONS_MAX:=10}"

# synapse
: "${MATRIX_SYNAPSE_ROOM_VERSION:=12}"
: "${MATRIX_SYNAPSE_REGISTRATION:=false}"
: "${MATRIX_SYNAPSE_ENCRYPTION:=off}"
: "${MATRIX_SYNAPSE_FEDERATION:=off}"
: "${MATRIX_SYNAPSE_MAX_UPLOAD_SIZE:=50M}"
: "${MATRIX_SYNAPSE_REMOTE_MEDIA_LIFETIME:=90d}"
: "${MATRIX_SYNAPSE_PRESENCE:=false}"
: "${MATRIX_SYNAPSE_MESSAGES_PER_SECOND:=0.5}"
: "${MATRIX_SYNAPSE_MESSAGES_BURST:=30}"
: "${MATRIX_SYNAPSE_LOGINS_PER_SECOND:=0.17}"
: "${MATRIX_SYNAPSE_LOGINS_BURST:=5}"
: "${MATRIX_SYNAPSE_PASSWORD_LENGTH:=12}"
: "${MATRIX_SYNAPSE_BCRYPT_ROUNDS:=12}"
: "${MATRIX_SYNAPSE_CACHE_FACTOR:=1.0}"
: "${MATRIX_SYNAPSE_LOG_LEVEL:=INFO}"

# supervision
: "${MATRIX_SYNAPSE_START_TIMEOUT:=60s}"
: "${MATRIX_SYNAPSE_STOP_TIMEOUT:=30s}"
: "${MATRIX_SYNAPSE_PROBE_INTERVAL:=15s}"
: "${MATRIX_SYNAPSE_RESTARTS:=5}"
: "${MATRIX_SYNAPSE_LOG_SIZE:=20M}"
: "${MATRIX_SYNAPSE_LOG_FILES:=4}"
