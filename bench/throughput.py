"""Messages a second through the proxy, of one process and of the main process with workers, and the CPU time
that a message takes of all processes together: what more cores can bring, and what they cost.
"""

import concurrent.futures
import json
import os
import time

from common import PROGRAM, finish, free_port, instance, run, session
from costs import Api, cpu_ms, send

MESSAGES = 600
SENDERS = 8


def measure(profile, workers):
    more = {f"MATRIX_SYNAPSE_PROXY_{kind}_PORT": str(free_port()) for kind in ("HTTP", "HTTPS", "FEDERATION")}
    more |= {"MATRIX_SYNAPSE_PROFILE": profile, "MATRIX_SYNAPSE_WORKERS": workers}
    with instance(more=more) as (env, data):
        token = session(data)["access_token"]
        base = ("127.0.0.1", int(env["MATRIX_SYNAPSE_PROXY_HTTP_PORT"]))
        speakers = [Api(base, token) for _ in range(SENDERS)]
        rooms = [speaker("POST", "/createRoom", {"preset": "private_chat"})["room_id"] for speaker in speakers]
        services = json.loads((data / "run/state.json").read_text())["services"]
        pids = {name: service["pid"] for name, service in services.items() if service["pid"]}

        def round(count):
            def one(pair):
                for n in range(count // SENDERS):
                    send(*pair, n)
            begin = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
                list(pool.map(one, zip(speakers, rooms)))
            return time.monotonic() - begin

        round(80)
        before = {name: cpu_ms(pid) for name, pid in pids.items()}
        took = round(MESSAGES)
        spent = {name: (cpu_ms(pid) - before[name]) / MESSAGES for name, pid in pids.items()}
        return MESSAGES / took, spent


cores = os.cpu_count()
rate, spent = measure("isms", "")
split_rate, split = measure("scale", "event_creator=1,event_persister=2,background=1")
for name, rate_of, costs in (("one process", rate, spent), ("main and four workers", split_rate, split)):
    busiest, most = max(((who, cost) for who, cost in costs.items() if who != "postgres"), key=lambda pair: pair[1])
    total = sum(costs.values())
    print(f"{name}: {rate_of:.0f} messages/s on {cores} cores ({rate_of / cores:.0f} a core), "
          f"{total:.1f} ms of CPU a message, most of one process: {busiest} {most:.1f} ms, "
          f"so at most {1000 / most:.0f} messages/s however many cores there are")
print(f"main and four workers against one process on {cores} cores: ratio {split_rate / rate:.2f}; "
      f"CPU a message: ratio {sum(split.values()) / sum(spent.values()):.2f}")
simulated = run(PROGRAM, "manage", "scale", "--simulate", "--users", "100", "--messages-per-second", str(int(split_rate)), "--cores", str(cores))
print(simulated.stdout.strip())
finish()
