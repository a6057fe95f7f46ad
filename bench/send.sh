#!/usr/bin/env bash
# One message against a stub server: the whole process of ours against curl's, interleaved in one
# run. Prints ratios of medians; fails above the promised ones.
# usage: bench/send.sh BINARY [ROUNDS] [LIMIT]    LIMIT: 0.40, or 0.30 for the published build (`.ci/dist`)
# shellcheck source=bench/common.sh
source "$(dirname "$(readlink -f "$0")")/common.sh"
rounds=${2:-200}
limit=${3:-0.40}
python3 - "$binary" "$folder" "$port" "$rounds" "$limit" <<'PY'
import os, re, socket, statistics, subprocess, sys, tempfile, time
binary, folder, port, rounds, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
env = {"MATRIX_SYNAPSE_DATA_DIR": folder, "HOME": folder, "PATH": os.environ["PATH"]}
url = f"http://127.0.0.1:{port}/_matrix/client/v3/rooms/!r:x.org/send/m.room.message/t1"
runs = {
    "send": [binary, "content", "send-message", "!r:x.org", "hello"],
    "curl": ["curl", "-s", "-X", "PUT", "-H", "Authorization: Bearer t", "-H", "Content-Type: application/json",
             "-d", '{"msgtype":"m.text","body":"hello"}', url],
    "help": [binary, "--help"],
    "curl --version": ["curl", "--version"],
}
times = {name: [] for name in runs}


def peak_memory():
    """The peak of the program itself, read while it waits for the answer: what the kernel reports of an
    ended child includes its parent's size before exec."""
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as data:
        session = open(folder + "/secrets/operator.json").read().replace(port, str(server.getsockname()[1]))
        os.mkdir(data + "/secrets")
        open(data + "/secrets/operator.json", "w").write(session)
        child = subprocess.Popen(runs["send"], env={**env, "MATRIX_SYNAPSE_DATA_DIR": data}, stdout=subprocess.DEVNULL)
        connection, _ = server.accept()
        connection.recv(65536)
        status = open(f"/proc/{child.pid}/status").read()
        connection.close()
        server.close()
        child.kill()
        child.wait()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])


for _ in range(rounds):
    for name, argv in runs.items():
        start = time.perf_counter()
        child = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = child.wait()
        times[name].append(time.perf_counter() - start)
        assert status == 0, (name, status)
memory = peak_memory()
median = {name: statistics.median(values) for name, values in times.items()}
for name, value in median.items():
    print(f"{name:16} {value * 1000:7.2f} ms")
send, helped = median["send"] / median["curl"], median["help"] / median["curl --version"]
print(f"send/curl        {send:7.2f} (at most {limit:.2f})")
print(f"help/curl        {helped:7.2f} (at most 0.30)")
print(f"peak memory      {memory / 1024:7.1f} MB (under 10)")
sys.exit(round(send, 2) > limit or helped > 0.30 or memory >= 10 * 1024)
PY
