"""What the stand-ins for bridges have in common: an application service that asks a homeserver as one of its
users, and answers to one that shows the token of its registration. Stands before each of them."""

import http.server
import json
import urllib.error
import urllib.parse
import urllib.request


class Homeserver:
    """Asked with the token of the registration, as the user that is named."""

    def __init__(self, address, domain, token):
        self.address, self.domain, self.token = address, domain, token

    def call(self, method, path, body, user):
        url = f"{self.address}/_matrix/client/v3/{path}?user_id={urllib.parse.quote(user)}"
        request = urllib.request.Request(url, json.dumps(body).encode(), method=method)
        request.add_header("Authorization", "Bearer " + self.token)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def register(self, localpart):
        user = f"@{localpart}:{self.domain}"
        body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        try:
            self.call("POST", "register", body, user)
        except urllib.error.HTTPError as error:
            if json.load(error)["errcode"] != "M_USER_IN_USE":
                raise
        return user

    def join(self, room, user):
        self.call("POST", f"rooms/{urllib.parse.quote(room)}/join", {}, user)

    def invite(self, room, user, by):
        self.call("POST", f"rooms/{urllib.parse.quote(room)}/invite", {"user_id": user}, by)

    def send(self, room, user, text, transaction):
        path = f"rooms/{urllib.parse.quote(room)}/send/m.room.message/{urllib.parse.quote(transaction)}"
        self.call("PUT", path, {"msgtype": "m.text", "body": text}, user)


class Door(http.server.BaseHTTPRequestHandler):
    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")

    def knows(self, token):
        return self.headers["Authorization"] == "Bearer " + token

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, form, *words):
        print(form % words, flush=True)


