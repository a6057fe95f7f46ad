#!/usr/bin/env bash
# What is rendered for Kubernetes against the schemas of its versions, strictly: a field that one of them does not know is
# an error. What a schema does not see is in the unit tests.
#
#     bash test/manifests.sh [PROGRAM]
set -euo pipefail
program=$(realpath "${1:-target/release/resource-matrix-synapse}")
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0

# rendered NAME SETTING...
rendered() {
    local name=$1 words=()
    shift
    for setting in "$@"; do words+=(--set "$setting"); done
    env -i HOME="$folder" PATH="$PATH" "$program" --data-dir "$folder/chat" "${words[@]}" \
        manage render --target kubernetes --out "$folder/$name" >/dev/null
}
rendered small
rendered proxied stack.profile=isms server.public_url=https://matrix.example.org kubernetes.issuer=le kubernetes.pull_secret=a
rendered full stack.profile=full kubernetes.storage_class=fast 'backup.schedule=0 3 * * * Europe/Berlin'
rendered scaled stack.profile=scale workers.autoscale=true workers.list=generic=2,event_persister=2,media=1
rendered shared stack.profile=scale database.host=db.example.org redis.host=redis.example.org

"$folder/venv/bin/python" - "$folder" <<'E'
import functools
import pathlib
import sys

import kubernetes_validate
import yaml

# Each is read once, and not for each object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
seen = set()
for file in sorted(pathlib.Path(sys.argv[1]).glob("*/*.yaml")):
    for document in yaml.safe_load_all(file.read_text()):
        seen.add(document["kind"])
        for minor in range(25, 38):
            try:
                kubernetes_validate.validate(document, f"1.{minor}", strict=True)
            except kubernetes_validate.ValidationError as error:
                sys.exit(f"{file.name}: {document['kind']} {document['metadata']['name']}, 1.{minor}: {error.message}")
wanted = {
    "ConfigMap", "CronJob", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Namespace", "NetworkPolicy",
    "PersistentVolumeClaim", "PodDisruptionBudget", "Service", "StatefulSet",
}
if seen != wanted:
    sys.exit(f"rendered: {sorted(seen)}")
E
