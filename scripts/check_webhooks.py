"""Webhook messages, verified by the public packages of Python and Node, and delivered though the program is killed.

Usage: check_webhooks.py RECOTEM FOLDER RECEIVER.mjs
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks import Webhook

RECOTEM, FOLDER, NODE_RECEIVER = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
PASSWORD = "a password for the check"
MESSAGES = 200
PATIENCE = 90


class PythonReceiver(BaseHTTPRequestHandler):
    """Verifies each message. While `hangs` is set, it answers nothing."""

    protocol_version = "HTTP/1.1"
    secret = None
    hangs = threading.Event()
    seen = Counter()
    wrong = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        kind = type(self)
        try:
            Webhook(kind.secret).verify(body, dict(self.headers.items()))
        except Exception as error:  # Any fault is one of the message.
            kind.wrong.append(f"{error!r}: {body!r}")
        kind.seen[self.headers["webhook-id"]] += 1
        while kind.hangs.is_set():
            time.sleep(0.05)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server:
    """The program on a folder, which is created with the first start."""

    def __init__(self):
        settings = {
            "DEFAULT_ADMIN_PASSWORD": PASSWORD,
            "THROTTLE_USER_RATE": "1000000/min",
            "THROTTLE_RECOMMENDATION_RATE": "1000000/min",
            "RECOTEM_OUTBOUND__ALLOW_HTTP": "true",
            "RECOTEM_OUTBOUND__ALLOW_NETWORKS": '["127.0.0.1"]',
            "RECOTEM_PUBLIC_URL": "https://recotem.example",
        }
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | settings
        command = [RECOTEM, "serve", "--bind", "127.0.0.1:0", "--data-dir", str(FOLDER / "data")]
        with open(FOLDER / "server.log", "a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        ready = next((line for line in self.process.stdout if line.startswith("Recotem is ready on ")), None)
        if ready is None:
            sys.exit("the server did not start:\n" + (FOLDER / "server.log").read_text())
        self.base, self.token = ready.split()[-1], None
        self.token = self.call("POST", "auth/login/", {"username": "admin", "password": PASSWORD})["access"]

    def call(self, method, path, body=None, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        data = data if method != "GET" else None
        request = urllib.request.Request(f"{self.base}/api/v1/{path}", data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def endpoint(self, project, url):
        return self.call("POST", "webhook_endpoint/", {"project": project, "url": url, "topics": ["data.ready"]})

    def test(self, endpoint):
        return self.call("POST", f"webhook_endpoint/{endpoint['id']}/test/")["message"]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def until(what, happened):
    end = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > end:
            sys.exit(f"not within {PATIENCE} seconds: {what}")
        time.sleep(0.05)


def upload(server, project):
    boundary = "----check"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="project"\r\n\r\n{project}\r\n',
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="data.csv"\r\n\r\nuser,item\na,x\nb,y\n\r\n',
        f"--{boundary}--\r\n",
    ]
    return server.call("POST", "training_data/", "".join(parts).encode(), f"multipart/form-data; boundary={boundary}")


class NodeReceiver:
    def __init__(self):
        self.process = subprocess.Popen(["node", NODE_RECEIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url, self.seen, self.wrong = self.process.stdout.readline().strip(), Counter(), []

    def listen(self, secret):
        self.process.stdin.write(secret + "\n")
        self.process.stdin.flush()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            message, verdict = line.rstrip("\n").split(" ", 1)
            self.seen[message] += 1
            if verdict != "valid":
                self.wrong.append(line)


def main():
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), PythonReceiver)
    receiver.daemon_threads = True
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    node = NodeReceiver()
    server = Server()
    project = server.call("POST", "project/", {"name": "Shop", "user_column": "user", "item_column": "item"})["id"]
    python_endpoint = server.endpoint(project, f"http://127.0.0.1:{receiver.server_port}/hook")
    node_endpoint = server.endpoint(project, node.url)
    PythonReceiver.secret = python_endpoint["secret"]
    node.listen(node_endpoint["secret"])

    sent = [(server.test(python_endpoint), server.test(node_endpoint)) for _ in range(MESSAGES)]
    upload(server, project)
    until("all messages arrive at both", lambda: min(len(PythonReceiver.seen), len(node.seen)) > MESSAGES)
    for to_python, to_node in sent:
        assert PythonReceiver.seen[to_python] == 1 and node.seen[to_node] == 1, "a message arrived twice"
    print(f"{MESSAGES + 1} messages were verified by the package of PyPI, and as many by that of npm.")

    server.call("POST", f"webhook_endpoint/{python_endpoint['id']}/rotate_secret/")
    message = server.test(python_endpoint)
    until("the message after the rotation", lambda: PythonReceiver.seen[message] == 1)
    print("After a rotation the former secret verifies.")

    PythonReceiver.hangs.set()
    message = server.test(python_endpoint)
    until("the message is being delivered", lambda: PythonReceiver.seen[message] == 1)
    server.kill()
    PythonReceiver.hangs.clear()
    server = Server()
    until("the message is delivered again", lambda: PythonReceiver.seen[message] == 2)
    path = f"webhook_endpoint/{python_endpoint['id']}/messages/{message}/"
    until("its delivery is written", lambda: server.call("GET", path)["state"] == "delivered")
    print("After SIGKILL in the middle of a delivery the message came again, under the same id.")

    server.stop()
    node.process.terminate()
    assert not PythonReceiver.wrong, PythonReceiver.wrong[:3]
    assert not node.wrong, node.wrong[:3]


main()
