#!/usr/bin/env bash
# The integration phase (120 s): users, rooms and messages on the running server, as a scenario uses it.
# It keeps one user between runs, because accounts cannot be deleted, and removes the rooms that it made.
set -euo pipefail

here=$(cd -P -- "${BASH_SOURCE[0]%/*}" && pwd -P)
RMS_RESOURCE_DIR=${here%/test/phases}
export RMS_RESOURCE_DIR
# shellcheck source=../../lib/test.sh
source "$RMS_RESOURCE_DIR/lib/test.sh"

rooms=()
cleanup() {
    local room
    for room in ${rooms[@]+"${rooms[@]}"}; do
        "$RMS_RESOURCE_DIR/cli.sh" content remove-room "$room" --force >/dev/null 2>&1 || true
    done
}
trap cleanup EXIT

phase::program status --fast
if [[ $code != 0 ]]; then
    phase::fail 'the server runs' "$said"
    phase::summary integration
    exit 1
fi

# A name no other run has.
alias=phase-$$-$RANDOM
text="it's \"quoted\" \$HOME \`id\` <b>&amp;</b> {\"a\":1} ünï 🙂 $alias"

phase::expect 'there is a test user' '0|2' "$PHASE_USER" content add-user "$PHASE_USER"
phase::expect 'adding it again changes nothing' 2 "$PHASE_USER" content add-user "$PHASE_USER"
phase::expect 'the user is listed' 0 "@$PHASE_USER:" content list-users
phase::expect 'the user can be looked at' 0 "@$PHASE_USER:" content get-user "$PHASE_USER"
phase::expect 'nobody knows a user that is not there' 2 '' content get-user "$alias"

phase::expect 'a room with an alias can be made' 0 '^!' \
    content create-room "Room $alias" --alias "$alias" --invite "$PHASE_USER" -q
if [[ $code == 0 ]]; then
    room=$said
    rooms+=("$room")
    phase::soon 'the room is listed' 0 "Room $alias" content list-rooms
    phase::expect 'the room can be looked at by its alias' 0 "$alias" content get-room "#$alias"
    phase::expect 'the test user joins' '0|2' '' content join-room "#$alias" --as "$PHASE_USER"
    phase::expect 'a message is sent to the room' 0 '^\$' content send-message "$room" "$text" -q
    event=$said
    phase::expect 'a repeat with the same transaction id is no second message' 0 '^\$' \
        content send-message "#$alias" once --transaction-id "$alias" -q
    first=$said
    phase::expect 'and answers with the same event' 0 "^${first//\$/\\\$}\$" \
        content send-message "#$alias" once --transaction-id "$alias" -q
    phase::expect 'the test user answers' 0 '^\$' \
        content send-message "#$alias" "answer $alias" --as "$PHASE_USER" -q
    phase::program content read-messages "$room"
    phase::check 'the messages are read as they were sent' phase::contains "$said" "$text"
    phase::check 'the answer is there' phase::contains "$said" "answer $alias"
    phase::expect 'a message can be taken back' 0 '' content redact-message "$room" "$event"
    phase::program content read-messages "$room"
    phase::check 'it is gone' phase::lacks "$said" "$text"
    phase::expect 'a stranger room is refused' 1 '' content send-message "#no-$alias" hello
    phase::expect 'the user leaves' '0|2' '' content leave-room "$room" --as "$PHASE_USER"
    phase::expect 'the room can be removed' 0 '' content remove-room "$room" --force
    [[ $code != 0 ]] || rooms=()
fi

phase::expect 'the generic form lists users' 0 "\"@$PHASE_USER:" content list --type user --format json
phase::expect 'logs can be read' 0 '' logs --tail 5
phase::expect 'the details are known' 0 'Synapse' status --verbose
phase::summary integration
