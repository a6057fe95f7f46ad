"""What the supervisor costs when nothing happens: memory, processor time and wake-ups in 30 seconds."""

import time

from common import finish, instance

with instance() as (env, data):
    pid = int((data / "run/supervisor.lock").read_text().rsplit("(pid ", 1)[1].rstrip(")\n"))

    def read():
        status = open(f"/proc/{pid}/status").read()
        value = lambda name: int(next(l for l in status.splitlines() if l.startswith(name)).split()[1])
        ticks = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        return value("VmRSS"), value("voluntary_ctxt_switches"), int(ticks[11]) + int(ticks[12])

    _, switches, ticks = read()
    time.sleep(30)
    memory, later, more = read()
    print(f"supervisor: {memory / 1024:.1f} MB (under 12), {later - switches} wake-ups in 30 s, "
          f"{(more - ticks) / 30:.2f} % of a core")
    finish(memory / 1024 < 12)
