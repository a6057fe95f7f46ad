#!/usr/bin/env bash
# The homeserver on a real node of Kubernetes 1.20, the newest whose server Debian has the source of, outside CI: it takes a
# machine whose root may run an engine and a namespace of the network, and a quarter of an hour for the build. `KUBE` names
# a folder with kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and kube-proxy that is there already.
#
#     bash test/lab/kubernetes.sh [PROGRAM]
set -euo pipefail
program=$(realpath "${1:-target/release/resource-matrix-synapse}")
lab=$(mktemp -d /tmp/rms-lab.XXXXXX)
# A kubelet changes these of the whole machine.
sysctl -e vm.overcommit_memory kernel.panic kernel.panic_on_oops >"$lab/sysctl.conf"
declare -A running=()
inside=(nsenter --net=/run/netns/rms-lab)
cleanup() {
    set +e
    for name in proxy dns kubelet; do [[ -n ${running[$name]:-} ]] && kill "${running[$name]}"; done
    sleep 1
    docker ps -q 2>/dev/null | xargs -r docker rm -f >/dev/null
    for name in open scheduler manager server etcd engine; do [[ -n ${running[$name]:-} ]] && kill "${running[$name]}"; done
    wait
    grep -o "$lab/[^ ]*" /proc/mounts | sort -r | xargs -r umount
    ip netns del rms-lab
    sysctl -q -p "$lab/sysctl.conf" >/dev/null
    rm -rf -- "$lab" /tmp/hostpath_pv
}
trap cleanup EXIT
export DOCKER_HOST=unix://$lab/docker.sock DOCKER_BUILDKIT=0

printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
apt-get install -y --no-install-recommends docker.io iptables mmdebstrap conntrack socat ethtool etcd-server \
    containernetworking-plugins gcc libc6-dev >/dev/null
mirror=$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -1)
mirror=${mirror:-http://deb.debian.org/debian}
sources() {
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main" >"$lab/source.list"
    mkdir -p "$lab/lists/partial" "$lab/build"
    local apt=(apt-get -o "Dir::Etc::SourceList=$lab/source.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$lab/lists")
    "${apt[@]}" update >/dev/null
    cd "$lab/build"
    "${apt[@]}" source --download-only kubernetes >/dev/null
    tar xf kubernetes_*.orig.tar.*
}
sources
pause=$lab/build/kubernetes-1.20.2/build/pause/linux/pause.c
if [[ -z ${KUBE:-} ]]; then
    apt-get install -y --no-install-recommends golang-1.19-go rsync make >/dev/null
    cd "$lab/build/kubernetes-1.20.2"
    printf "KUBE_GIT_COMMIT='debian'\nKUBE_GIT_TREE_STATE='archive'\nKUBE_GIT_VERSION='v1.20.2'\nKUBE_GIT_MAJOR='1'\nKUBE_GIT_MINOR='20'\n" >../version.txt
    mkdir home
    env HOME="$PWD/home" PATH=/usr/lib/go-1.19/bin:/usr/sbin:/usr/bin:/sbin:/bin KUBE_GIT_VERSION_FILE="$PWD/../version.txt" \
        GOFLAGS=-mod=vendor GOPROXY=off GO111MODULE=auto \
        make WHAT="cmd/kube-apiserver cmd/kube-controller-manager cmd/kube-scheduler cmd/kubelet cmd/kube-proxy" >"$lab/make.log" 2>&1
    KUBE=$PWD/_output/bin
fi
cd "$lab"

# Where an engine may not lower the score of a process, it starts none that asks for it.
cat >runc <<'X'
#!/usr/bin/env python3
import json, os, sys
words = sys.argv[1:]
for flag, value in zip(words, words[1:]):
    if flag in ("--bundle", "-b"):
        path = os.path.join(value, "config.json")
        spec = json.load(open(path))
        if (spec.get("process", {}).get("oomScoreAdj") or 0) < 0:
            spec["process"]["oomScoreAdj"] = 0
            json.dump(spec, open(path, "w"))
os.execv("/usr/sbin/runc", ["runc", *words])
X
chmod +x runc
# engine WORDS...
engine() {
    exec dockerd --data-root "$lab/data" --exec-root "$lab/exec" -p "$lab/pid" -H "$DOCKER_HOST" --mtu 1400 \
        --add-runtime "lab=$lab/runc" --default-runtime lab --default-ulimit nofile=20000:20000 "$@"
}
# The image is built where there is a network.
engine --iptables=true >build.log 2>&1 &
until docker version >/dev/null 2>&1; do sleep 0.2; done
mmdebstrap --quiet --variant=minbase --include=ca-certificates \
    --customize-hook='cp /usr/local/share/ca-certificates/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null; chroot "$1" update-ca-certificates' \
    bookworm base.tar "$mirror" 2>/dev/null
docker import -c 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
    base.tar docker.io/library/debian:bookworm-slim >/dev/null
env -i HOME="$lab/home" PATH="$PATH" "$program" manage render --target compose --out "$lab/render" >/dev/null
image=localhost/resource-matrix-synapse:$("$program" --version | awk '{print $2}')
docker build -q -t "$image" -f render/image/Containerfile render/image >/dev/null 2>&1
mkdir pause && gcc -Os -static -DVERSION=lab -o pause/pause "$pause"
tar -C pause -c pause | docker import -c 'ENTRYPOINT ["/pause"]' - k8s.gcr.io/pause:3.2 >/dev/null
kill "$(cat pid)" && wait

# A node in a network of its own.
ip netns add rms-lab
ip link add rms-lab type veth peer name eth0 netns rms-lab
ip addr add 10.77.0.1/24 dev rms-lab && ip link set rms-lab up
"${inside[@]}" ip link set lo up
"${inside[@]}" ip addr add 10.77.0.2/24 dev eth0
"${inside[@]}" ip link set eth0 up
"${inside[@]}" ip route add default via 10.77.0.1
run() {
    local name=$1
    shift
    setsid "${inside[@]}" "$@" >"$lab/$name.log" 2>&1 &
    running[$name]=$!
}
openssl genrsa -out key 2048 2>/dev/null
echo 'lab-token,admin,1,system:masters' >tokens
cat >kubeconfig <<'X'
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: lab-token}}]
contexts: [{name: lab, context: {cluster: lab, user: admin}}]
current-context: lab
X
export -f engine
export lab
run engine bash -c 'engine --bridge=none --exec-opt native.cgroupdriver=cgroupfs'
run etcd etcd --data-dir "$lab/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
run server "$KUBE/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --bind-address=127.0.0.1 \
    --advertise-address=10.77.0.2 --cert-dir="$lab/certs" --service-cluster-ip-range=10.96.0.0/16 --token-auth-file=tokens \
    --authorization-mode=RBAC,Node --service-account-issuer=https://lab --service-account-key-file=key \
    --service-account-signing-key-file=key --allow-privileged=true
kube() { "${inside[@]}" kubectl --kubeconfig "$lab/kubeconfig" "$@"; }
until kube get --raw /readyz >/dev/null 2>&1; do sleep 0.3; done
run manager "$KUBE/kube-controller-manager" --kubeconfig=kubeconfig --service-account-private-key-file=key \
    --enable-hostpath-provisioner=true --use-service-account-credentials=true --leader-elect=false --bind-address=127.0.0.1
run scheduler "$KUBE/kube-scheduler" --kubeconfig=kubeconfig --leader-elect=false --bind-address=127.0.0.1
mkdir cni
echo '{"cniVersion":"0.3.1","name":"lab","type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local","subnet":"10.88.0.0/16","routes":[{"dst":"0.0.0.0/0"}]}}' >cni/10-lab.conf
cat >kubelet.yaml <<'X'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
failSwapOn: false
clusterDNS: [10.77.0.2]
clusterDomain: cluster.local
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%", nodefs.inodesFree: "1%"}
imageGCHighThresholdPercent: 100
X
run kubelet "$KUBE/kubelet" --kubeconfig=kubeconfig --config=kubelet.yaml --root-dir="$lab/kubelet" --network-plugin=cni \
    --cni-conf-dir="$lab/cni" --cni-bin-dir=/usr/lib/cni --docker-endpoint="$DOCKER_HOST" --hostname-override=localhost \
    --node-ip=10.77.0.2 --pod-infra-container-image=k8s.gcr.io/pause:3.2 --cert-dir="$lab/kubelet/pki"
run proxy "$KUBE/kube-proxy" --kubeconfig=kubeconfig --hostname-override=localhost --cluster-cidr=10.88.0.0/16 \
    --proxy-mode=iptables --conntrack-max-per-core=0
# In the place of CoreDNS: the names of services.
cat >dns.py <<'X'
import json, socket, struct, subprocess, sys, time
known, at = {}, 0.0
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.77.0.2", 53))
while True:
    query, sender = sock.recvfrom(512)
    i, labels = 12, []
    while query[i]:
        labels.append(query[i + 1 : i + 1 + query[i]].decode().lower())
        i += query[i] + 1
    kind = struct.unpack(">H", query[i + 1 : i + 3])[0]
    if time.time() - at > 1:
        said = subprocess.run(["kubectl", "--kubeconfig", sys.argv[1], "get", "services", "-A", "-o", "json"], capture_output=True)
        items = json.loads(said.stdout or "{}").get("items", [])
        known = {f"{it['metadata']['name']}.{it['metadata']['namespace']}.svc.cluster.local": it["spec"]["clusterIP"] for it in items}
        at = time.time()
    address = known.get(".".join(labels))
    answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + socket.inet_aton(address) if address and kind == 1 else b""
    flags = b"\x85\x80" if address else b"\x85\x83"
    sock.sendto(query[:2] + flags + struct.pack(">HHHH", 1, len(answer) // 16, 0, 0) + query[12 : i + 5] + answer, sender)
X
run dns python3 dns.py "$lab/kubeconfig"
echo '{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"lab","annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},"provisioner":"kubernetes.io/host-path"}' |
    kube apply -f - >/dev/null
# The folders of this provisioner are root's alone.
run open bash -c 'while sleep 0.5; do chmod 777 /tmp/hostpath_pv/* 2>/dev/null; done'
until kube get nodes 2>/dev/null | grep -q ' Ready'; do sleep 0.5; done

# This server knows some kinds under an older version.
mkdir bin
cat >bin/kubectl <<X
#!/usr/bin/env python3
import os, subprocess, sys
words = ["nsenter", "--net=/run/netns/rms-lab", "$(command -v kubectl)", "--kubeconfig", "$lab/kubeconfig", *sys.argv[1:]]
if "--filename=-" not in sys.argv:
    os.execvp(words[0], words)
lines = []
for line in sys.stdin.read().split("\n"):
    line = line.replace('"policy/v1"', '"policy/v1beta1"').replace('"autoscaling/v2"', '"autoscaling/v2beta2"')
    lines.append(line.replace('"batch/v1"', '"batch/v1beta1"') if '"kind":"CronJob"' in line else line)
sys.exit(subprocess.run(words, input="\n".join(lines).encode()).returncode)
X
chmod +x bin/kubectl
rms() { env -i HOME="$lab/home" PATH="$lab/bin:$PATH" "$program" --data-dir "$lab/chat" "$@"; }
there() { kube -n matrix exec -i chat-synapse-0 -- resource-matrix-synapse "$@"; }
is() { [[ $1 == "$2" ]] || { printf 'expected %q, got %q\n' "$2" "$1" && exit 1; }; }

began=$SECONDS
rms --set server.name=lab.example --set stack.profile=scale --set workers.list=generic=2,event_persister=1,media=1 \
    --set supervision.start_timeout=5m --set 'backup.schedule=0 3 * * *' manage install --target kubernetes
echo "ready after $((SECONDS - began)) s"
rms status >/dev/null
there content create-room Lab --alias lab
there content send-message '#lab' one
there manage backup >/dev/null
# The second time there is nothing to do; after a change each pod is a new one, and one at a time.
rms manage install --target kubernetes --format json | python3 -c 'import json,sys; assert not json.load(sys.stdin)["changed"]'
pods() { kube -n matrix get pods -o 'jsonpath={.items[*].metadata.uid}' | tr ' ' '\n' | sort; }
before=$(pods)
rms config set synapse.max_upload_size 20M >/dev/null
began=$SECONDS
rms manage install --target kubernetes >/dev/null
echo "another setting in all pods after $((SECONDS - began)) s"
is "$(comm -12 <(echo "$before") <(pods))" ''
there content send-message '#lab' two
# What was there stays when pods go.
kube -n matrix delete pod chat-postgres-0 chat-redis-0 chat-synapse-0 >/dev/null
until rms status >/dev/null; do sleep 1; done
there content send-message '#lab' three
rms manage stop >/dev/null
is "$(kube -n matrix get pods -o name)" ''
rms manage start >/dev/null
is "$(there content read-messages '#lab' --format json | python3 -c 'import json,sys; print(*[it["body"] for it in json.load(sys.stdin)["messages"]])')" 'one two three'
rms logs synapse --tail 1 >/dev/null
# What a cluster cannot do is said in its words.
others=0
fails() {
    local said status=0 name=other-$((others += 1))
    said=$(env -i HOME="$lab/home" PATH="$lab/bin:$PATH" "$program" --data-dir "$lab/$name" --set "kubernetes.namespace=$name" \
        --set supervision.start_timeout=20s "${@:2}" manage install --target kubernetes 2>&1) || status=$?
    is "$status" 1
    [[ $said == *$1* ]] || { printf '%s\n' "$said" && exit 1; }
}
fails 'ImagePull' --set kubernetes.image=localhost/nothing:1
fails 'unbound immediate PersistentVolumeClaims' --set kubernetes.storage_class=nothing
rms manage uninstall --force >/dev/null
is "$(kube -n matrix get pods,services -o name)" ''
is "$(kube -n matrix get pvc -o name | wc -l)" 3
echo 'done'
