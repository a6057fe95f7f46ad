"""`manage start` of the profile isms against the slowest chain of its parts: what each service of the
chain took by itself, from its process to being ready, as the supervisor's events have it."""

import datetime
import json

from common import PROGRAM, finish, free_port, instance, run, say, seconds

CHAIN = ["postgres", "database", "synapse", "proxy"]
ports = {f"MATRIX_SYNAPSE_PROXY_{kind}_PORT": str(free_port()) for kind in ("HTTP", "HTTPS", "FEDERATION")}


def parts(env):
    """The seconds that each service took from `starting` to ready."""
    events = json.loads(run(PROGRAM, "manage", "events", "--format", "json", env=env).stdout)["events"]
    begun, took = {}, {}
    for event in events:
        at = datetime.datetime.fromisoformat(event["at"][:26].rstrip("Z") + "+00:00")
        if event["state"] == "starting":
            begun[event["service"]] = at
        elif event["state"] in ("running", "completed") and event["service"] not in took:
            took[event["service"]] = (at - begun[event["service"]]).total_seconds()
    return took


with instance(more={"MATRIX_SYNAPSE_PROFILE": "isms", **ports}) as (env, data):
    whole, chains = [], []
    for _ in range(5):
        run(PROGRAM, "manage", "stop", env=env)
        whole.append(seconds(lambda: run(PROGRAM, "manage", "start", env=env)))
        took = parts(env)
        chains.append(sum(took[name] for name in CHAIN))
    whole.sort(), chains.sort()
    finish(say("manage start, warm, profile isms, against its slowest chain", whole[2], chains[2], 1.2))
