"""From an empty browser cache to a list of rooms that can be read, in seconds. Nothing is promised:
most of it is the browser's and the client's own work.

Headless Chromium through chromedriver, a new profile each time; the client that `web.client: hydrogen`
builds, behind the proxy.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from common import PROGRAM, free_port, instance, run, until

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-proxy-server", "--window-size=1000,700"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
TIMES = 5
PASSWORD = "a password of nobody"


def ask(url, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    return json.load(urllib.request.urlopen(request, timeout=60))["value"]


def found(session, css):
    return ask(f"{session}/elements", {"using": "css selector", "value": css})


def once(session, css):
    until(lambda: found(session, css))
    return f"{session}/element/{found(session, css)[0][ELEMENT]}"


def visit(driver, url):
    """Seconds until the login page is there, and until the list of rooms is, without the typing."""
    profile = tempfile.mkdtemp(prefix="rms-browser-")
    options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
    wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
    session = f"{driver}/session/{ask(f'{driver}/session', wanted)['sessionId']}"
    try:
        begin = time.monotonic()
        ask(f"{session}/url", {"url": url})
        once(session, "#username")
        page = time.monotonic() - begin
        for field, text in (("#username", "reader"), ("#password", PASSWORD)):
            ask(f"{once(session, field)}/value", {"text": text})
        begin = time.monotonic()
        ask(f"{once(session, '.PasswordLoginView button[type=submit]')}/click", {})
        once(session, ".RoomList li .name")
        return page, time.monotonic() - begin
    finally:
        ask(session, method="DELETE")
        shutil.rmtree(profile, ignore_errors=True)


if not shutil.which("chromedriver"):
    sys.exit("this machine needs: apt-get install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core")

more = {"MATRIX_SYNAPSE_PROFILE": "isms", "MATRIX_SYNAPSE_WEB_CLIENT": "hydrogen"}
with instance(more=more) as (env, _):
    run(PROGRAM, "content", "add-user", "reader", "--password-stdin", env=env, input=PASSWORD)
    for number in range(10):
        room = run(PROGRAM, "content", "create-room", f"Room {number}", "--no-encryption", "-q", env=env).stdout.strip()
        run(PROGRAM, "content", "invite", room, "reader", env=env)
        run(PROGRAM, "content", "join-room", room, "--as", "reader", env=env)
        run(PROGRAM, "content", "send-message", room, "hello", env=env)
    url = run(PROGRAM, "manage", "endpoint", "proxy", "web", env=env).stdout.strip()
    port = free_port()
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"

        def listens():
            try:
                return ask(f"{address}/status")["ready"]
            except urllib.error.URLError:
                return False

        until(listens)
        pages, rooms = zip(*(visit(address, url) for _ in range(TIMES)))
    finally:
        driver.terminate()
        driver.wait()
    whole = [a + b for a, b in zip(pages, rooms)]
    print(f"browser, empty cache, 10 rooms: login page {statistics.median(pages):.2f} s, "
          f"from the click to the list of rooms {statistics.median(rooms):.2f} s, "
          f"together {statistics.median(whole):.2f} s")
