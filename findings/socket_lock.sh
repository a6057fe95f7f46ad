#!/usr/bin/env bash
# The guess: a Synapse whose processes meet on unix sockets, in a folder that containers share, starts again after one of
# them was killed: what it left is known to be stale, as its process is gone.
# The truth: not in a container. Twisted leaves a link `NAME.lock` that says the number of the process, and takes the lock for
# held while any process has that number. In a container it is the same one at each start, so the new process finds
# itself, and ends with "Cannot acquire lock". Outside of containers the same kill does no harm. Nor does it help to remove the
# link alone: the socket that is left counts as one in use then.
# Version: matrix-synapse 1.163.2, Twisted 26.10.0, Linux.
# Source: `FilesystemLock` in `twisted/python/lockfile.py`, `unix_socket` listeners in Synapse's documentation of workers, and a
# run. Fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"

python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check 'matrix-synapse==1.163.2' 'twisted==26.10.0'
env/bin/pip list --disable-pip-version-check 2>/dev/null | grep -i -E '^(matrix-synapse|twisted) '
env/bin/python -m synapse.app.homeserver --server-name test.example --config-path h.yaml --data-directory data \
    --generate-config --report-stats=no >/dev/null
cat >listener.yaml <<YAML
listeners:
  - {type: http, path: $folder/main.sock, resources: [{names: [client]}]}
YAML
cat >start.py <<'PYTHON'
import os
import signal
import socket
import subprocess
import sys
import time

# Starts it twice, in a PID namespace of its own or not, and kills it in between.
apart = ["unshare", "--fork", "--kill-child", "--pid"] + (["--user", "--map-root-user"] if os.geteuid() else [])
command = [sys.executable, "-m", "synapse.app.homeserver", "-c", "h.yaml", "-c", "listener.yaml"]
command = apart + command if sys.argv[1] == "apart" else command


def answers():
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect("main.sock")
            one.sendall(b"GET /_matrix/client/versions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return one.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


for number in ("first", "second"):
    with open("said", "w") as said:
        server = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    while server.poll() is None and not answers():
        time.sleep(0.1)
    if server.poll() is None:
        print(f"{number}: starts;", end=" ")
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    else:
        lines = [line.strip() for line in open("said") if "Cannot acquire lock" in line]
        print(f"{number}: {lines[-1].rsplit(': ', 1)[-1] if lines else 'ends'}", end=" ")
PYTHON
outside=$(env/bin/python start.py outside)
rm -rf -- main.sock main.sock.lock
inside=$(env/bin/python start.py apart)
printf 'outside: %s\nin a PID namespace of its own: %s\n' "$outside" "$inside"
[[ $outside == 'first: starts; second: starts; ' && $inside == 'first: starts; second: Cannot acquire lock. ' ]]
