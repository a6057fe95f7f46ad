"""What the supervisor costs when nothing happens: memory, processor time and wake-ups in a minute, with the
profile core and with ten services."""

import json
import time

from common import finish, free_port, instance

MINUTE = 60


def read(pid):
    """Memory in MB, wake-ups so far, and processor time in seconds."""
    status = open(f"/proc/{pid}/status").read()
    value = lambda name: int(next(l for l in status.splitlines() if l.startswith(name)).split()[1])
    # In nanoseconds; ticks are too coarse for so little.
    spent = int(open(f"/proc/{pid}/schedstat").read().split()[0]) / 1e9
    return value("VmRSS") / 1024, value("voluntary_ctxt_switches"), spent


def measure(name, more, most_memory, most_cpu):
    with instance(more=more) as (env, data):
        pid = json.loads((data / "run/supervisor.lock").read_text())["pid"]
        services = json.loads((data / "run/state.json").read_text())["services"]
        _, switches, before = read(pid)
        time.sleep(MINUTE)
        memory, later, spent = read(pid)
        cpu = (spent - before) / MINUTE * 100
        print(f"supervisor, {name}: {len(services)} services, {memory:.1f} MB (under {most_memory}), "
              f"{later - switches} wake-ups in a minute, {cpu:.3f} % of a core (under {most_cpu})", flush=True)
        return memory < most_memory and cpu < most_cpu


ports = {f"MATRIX_SYNAPSE_PROXY_{kind}_PORT": str(free_port()) for kind in ("HTTP", "HTTPS", "FEDERATION")}
ten = {**ports, "MATRIX_SYNAPSE_PROFILE": "scale",
       "MATRIX_SYNAPSE_WORKERS": "generic=2,synchrotron=1,event_persister=1,background=1"}
finish(measure("core", {}, 12, 0.2), measure("scale", ten, 15, 0.2))
