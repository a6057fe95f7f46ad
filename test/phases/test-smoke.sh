#!/usr/bin/env bash
# The smoke phase (30 s): the running server answers, reaches its database, and makes a user and a room.
set -euo pipefail

here=$(cd -P -- "${BASH_SOURCE[0]%/*}" && pwd -P)
RMS_RESOURCE_DIR=${here%/test/phases}
export RMS_RESOURCE_DIR
# shellcheck source=../../lib/test.sh
source "$RMS_RESOURCE_DIR/lib/test.sh"

room=''
cleanup() {
    [[ -z $room ]] || "$RMS_RESOURCE_DIR/cli.sh" content remove-room "$room" --force >/dev/null 2>&1 || true
}
trap cleanup EXIT

phase::expect 'help answers' 0 'Usage:' help
phase::expect 'status says that it runs' 0 'Running: Yes' status --fast
phase::expect 'status says so to programs' 0 '"running":true' status --fast --format json
if [[ $code != 0 ]]; then
    printf 'the server does not run: `manage start` starts it\n'
    phase::summary smoke
    exit 1
fi
phase::check 'the server speaks the Matrix client API' \
    phase::get "$(phase::variable MATRIX_SYNAPSE_URL)" /_matrix/client/versions '"versions"'
phase::expect 'the database answers' 0 '"users":[0-9]+' status --verbose --format json
phase::expect 'credentials are masked' 0 '"\*\*\*\*\*"' credentials --format json
phase::expect 'there is a test user' '0|2' "$PHASE_USER" content add-user "$PHASE_USER"
phase::expect 'a room can be made' 0 '^!' content create-room 'Smoke test' -q
if [[ $code == 0 ]]; then
    room=$said
    phase::expect 'the room can be removed' 0 '' content remove-room "$room" --force
    [[ $code != 0 ]] || room=''
fi
phase::summary smoke
