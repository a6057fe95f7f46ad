"""A module of Synapse that keeps what this program says in encrypted rooms from being said in the clear there.

A room may have become encrypted since the program looked. Here it is known for each event: one in the clear by a device
of the program is refused, with a mark that tells the program to send the same again, encrypted.

Whatever fails in here is written into the log, and the event passes. What another version of Synapse calls otherwise
must neither keep the server from starting nor take from it every message of the program, alerts among them; and the
program does not rely on this alone: it asks whether a room is encrypted once a minute.
"""

import logging

logger = logging.getLogger(__name__)

ENCRYPTION = ("m.room.encryption", "")
# What is as it is also in encrypted rooms; most of what passes there is the first of them.
PASSING = frozenset(("m.room.encrypted", "m.reaction", "m.room.redaction"))


class Sealing:
    def __init__(self, config, api):
        try:
            from synapse.module_api import errors

            said = {"error": "the room is encrypted, and this event is not", config["mark"]: True}
            self.refusal = (errors.Codes.FORBIDDEN, said)
            self.devices = config["devices"]
            self.api = api
            api.register_spam_checker_callbacks(check_event_for_spam=self.check)
        except Exception:
            logger.exception("Nothing keeps events out of encrypted rooms that are in the clear")

    async def check(self, event):
        try:
            if event.type not in PASSING and self.is_ours(event) and not event.is_state():
                if await self.is_sealed(event):
                    return self.refusal
        except Exception:
            logger.exception("It is not known whether an event should have been encrypted")
        return "NOT_SPAM"

    def is_ours(self, event):
        # Who has none, such as other servers and bridges, has no such attribute.
        device = getattr(event.internal_metadata, "device_id", None)
        return device is not None and device.startswith(self.devices)

    async def is_sealed(self, event):
        """Whether the room is encrypted for what comes after the events that this one comes after.

        That is exact in each process, where the current state that a worker believes in may be what it was before.
        """
        try:
            from synapse.types.state import StateFilter

            only = StateFilter.from_types([ENCRYPTION])
            states = self.api._hs.get_state_handler()
            before = event.prev_event_ids()
            # Not even a room that is still being joined lacks this part of its state.
            state = await states.compute_state_after_events(event.room_id, before, only, False)
        except Exception:
            # No module is promised any of that. This is promised.
            logger.exception("What came before an event is not known; what its room is now decides")
            state = await self.api.get_room_state(event.room_id, [ENCRYPTION])
        return ENCRYPTION in state
