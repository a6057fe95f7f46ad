"""An object store that speaks S3 and checks signatures, for a test: OpenStack Swift, its four servers in
one process on loopback. Called with the folder it keeps all in, the port, the key and its secret."""

import os
import pwd
import sys

import eventlet
import eventlet.wsgi

eventlet.monkey_patch()

from swift.common import utils, wsgi
from swift.common.ring import RingBuilder

SERVER = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}
mount_check = false
fallocate_reserve = 0
user = {user}
log_level = CRITICAL
[pipeline:main]
pipeline = {front} {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{name} = {secret} .admin
[filter:slo]
use = egg:swift#slo
"""
FRONT = "catch_errors gatekeeper listing_formats s3api tempauth slo"


def main():
    folder, port, key, secret = sys.argv[1:]
    account, name = key.split(":")
    os.makedirs(f"{folder}/disk", exist_ok=True)
    utils.HASH_PATH_SUFFIX = b"test"
    sockets = {"proxy": eventlet.listen(("127.0.0.1", int(port)))}
    for kind in ("account", "container", "object"):
        sockets[kind] = eventlet.listen(("127.0.0.1", 0))
        # One copy of everything, on one disk.
        builder = RingBuilder(1, 1, 0)
        at = {"ip": "127.0.0.1", "port": sockets[kind].getsockname()[1], "device": "disk"}
        builder.add_dev({"region": 1, "zone": 1, "weight": 1, **at})
        builder.rebalance()
        builder.get_ring().save(f"{folder}/{kind}.ring.gz")
    threads = []
    for kind, socket in sockets.items():
        settings = SERVER.format(
            folder=folder,
            user=pwd.getpwuid(os.geteuid()).pw_name,
            front=FRONT if kind == "proxy" else "",
            kind=kind,
            account=account,
            name=name,
            secret=secret,
        )
        path = f"{folder}/{kind}.conf"
        with open(path, "w") as file:
            file.write(settings)
        app = wsgi.loadapp(path)
        threads.append(eventlet.spawn(eventlet.wsgi.server, socket, app, log_output=False))
    for thread in threads:
        thread.wait()


main()
