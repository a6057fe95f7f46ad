#!/usr/bin/env bash
# The guess: whoever goes back to the Synapse of last month with pip gets one that runs as it ran then.
# The truth: not with Redis. Until 1.162 nothing in the requirements keeps txredisapi 1.6.0 away, whose
# `RedisFactory` no longer has the methods of Twisted's `ReconnectingClientFactory` that Synapse's own factory calls
# (`super().startedConnecting`): a homeserver with `redis.enabled` ends at its start with an AttributeError. With
# txredisapi 1.5.0 the same one starts. 1.163.0 and later ask for less than 1.6 themselves.
# Version: matrix-synapse 1.162.0 (1.150.0 asks for the same), txredisapi 1.5.0 and 1.6.0, Twisted 26.10.0.
# Source: the requirements of the two on https://pypi.org/project/matrix-synapse/, and a run. Fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap '[[ ! -e pid ]] || kill "$(cat pid)" 2>/dev/null || true; rm -rf -- "$folder"' EXIT
cd -- "$folder"

python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check 'matrix-synapse[redis]==1.162.0'
env/bin/pip list --disable-pip-version-check 2>/dev/null | grep -i -E '^(matrix-synapse|twisted|txredisapi) '
cat >start.py <<'PYTHON'
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

# Whether it starts: True, or its last line.
with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
    port, redis = free.getsockname()[1], other.getsockname()[1]
make = ["-m", "synapse.app.homeserver", "--server-name", "test.example", "--config-path", "h.yaml"]
make += ["--data-directory", "data", "--generate-config", "--report-stats=no"]
subprocess.run([sys.executable, *make], check=True, capture_output=True)
settings = open("h.yaml").read().replace("port: 8008", f"port: {port}")
# Nobody listens there: Synapse goes on trying, and serves meanwhile.
settings += f"\nredis:\n  enabled: true\n  host: 127.0.0.1\n  port: {redis}\n"
open("h.yaml", "w").write(settings)
with open("said", "w") as said:
    server = subprocess.Popen([sys.executable, "-m", "synapse.app.homeserver", "-c", "h.yaml"], stdout=said, stderr=said)
print(server.pid, file=open("pid", "w"))
while server.poll() is None:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read()
        break
    except urllib.error.URLError:
        time.sleep(0.2)
if server.poll() is None:
    server.terminate()
    server.wait()
    print("it starts")
else:
    lines = [line.strip() for line in open("said") if "Error:" in line]
    print(f"it ends with {server.returncode}: {lines[-1] if lines else 'no word'}")
PYTHON
newest=$(env/bin/python start.py)
printf 'as pip installs it: %s\n' "$newest"
rm -rf -- h.yaml data ./*.db ./*.log.config ./*.signing.key
env/bin/pip install --quiet --disable-pip-version-check 'txredisapi==1.5.0'
before=$(env/bin/python start.py)
printf 'with txredisapi 1.5.0: %s\n' "$before"
[[ $newest == *AttributeError*startedConnecting* && $before == 'it starts' ]]
