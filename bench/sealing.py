"""What encryption costs: one message of a command into an encrypted room against one in the clear, the lines of a file, and the memory of the service that keeps the keys.

TIMES says how often one is sent, LINES how many the file has.
"""

import os
import pathlib
import statistics
import subprocess
import tempfile

from common import PROGRAM, finish, in_turns, instance, run, say, seconds

TIMES = int(os.environ.get("TIMES", "60"))
LINES = int(os.environ.get("LINES", "1000"))
BOTS = 4
MEMORY_MB = 40

with instance() as (env, data), tempfile.TemporaryDirectory(prefix="rms-bench-sealing-") as folder:
    bots = [f"bot{n}" for n in range(BOTS)]
    for bot in bots:
        run(PROGRAM, "content", "add-bot", bot, env=env)
    def made(name, *words):
        room = run(PROGRAM, "content", "create-room", name, *words, "-q", env=env).stdout.strip()
        for bot in bots:
            run(PROGRAM, "content", "invite", room, bot, env=env)
            run(PROGRAM, "content", "join-room", room, "--as", bot, env=env)
        return room

    clear, sealed = made("Clear", "--no-encryption"), made("Sealed", "--encrypted")

    def send(room, *words):
        words = (PROGRAM, "content", "send-message", room, *words)
        return lambda: seconds(lambda: subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL))

    first = send(sealed, "the first")()
    print(f"the first message, to {BOTS + 1} devices: {first * 1000:.0f} ms")
    send(clear, "the first")()
    held = [say("one message into an encrypted room against one in the clear",
                *in_turns(send(sealed, "one"), send(clear, "one"), TIMES), 1.3)]
    lines = pathlib.Path(folder) / "lines"
    lines.write_text("".join(f"line {n}\n" for n in range(LINES)))
    ours, peer = in_turns(send(sealed, "--file", str(lines)), send(clear, "--file", str(lines)), 1)
    held.append(say(f"{LINES} lines of a file, in the clear against encrypted", peer, ours, None))
    print(f"that is {peer / ours:.2f} of the clear rate (at least 0.8)")
    held.append(peer / ours >= 0.8)
    for bot in bots:
        run(PROGRAM, "content", "send-message", sealed, "hello", "--as", bot, env=env)
    pid = subprocess.run(["pgrep", "-f", f"resource-matrix-crypto .*{data}"], capture_output=True, text=True).stdout.split()
    status = [pathlib.Path(f"/proc/{it}/status").read_text() for it in pid]
    memory = max((int(it.split("VmRSS:")[1].split()[0]) for it in status), default=0) / 1024
    held.append(say(f"memory of the service with {BOTS + 1} devices", memory, MEMORY_MB, 1.0, "MB"))
    finish(*held)
