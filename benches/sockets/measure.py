"""Opens many idle WebSockets to one `recotem serve` and prints memory, processor time, and how fast a change reaches all."""

import asyncio
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import urllib.request

PASSWORD = "a good long phrase"
AT_ONCE = 100
IDLE_SECONDS = 65
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    def __init__(self, binary, folder, *more):
        settings = {"DEFAULT_ADMIN_PASSWORD": PASSWORD, "THROTTLE_USER_RATE": "1000000/min", "ACCESS_TOKEN_LIFETIME": "86400"}
        command = [binary, "serve", "--bind", "127.0.0.1:0", "--data-dir", f"{folder}/data", *more]
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | settings
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        ready = next(line for line in self.process.stdout if line.startswith("Recotem is ready on "))
        self.base = ready.split()[-1]
        self.token = None
        self.token = self.call("POST", "auth/login/", {"username": "admin", "password": PASSWORD})["access"]

    def call(self, method, path, body=None, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        request = urllib.request.Request(f"{self.base}/api/v1/{path}", data if method != "GET" else None, {"Content-Type": kind}, method=method)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def memory(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Socket(asyncio.Protocol):
    """Reads frames, answers pings, and records when it receives the end of the job."""

    def __init__(self, request):
        self.request, self.rest, self.open = request, b"", False
        self.first, self.ended = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data):
        now = time.perf_counter()
        self.rest += data
        if not self.open:
            if b"\r\n\r\n" not in self.rest:
                return
            head, self.rest = self.rest.split(b"\r\n\r\n", 1)
            assert b" 101 " in head.split(b"\r\n")[0], head
            self.open = True
        while len(self.rest) >= 2:
            length, start = self.rest[1] & 127, 2
            if length == 126:
                if len(self.rest) < 4:
                    return
                length, start = int.from_bytes(self.rest[2:4], "big"), 4
            if len(self.rest) < start + length:
                return
            kind, text, self.rest = self.rest[0] & 15, self.rest[start : start + length], self.rest[start + length :]
            if kind == 9:
                self.transport.write(b"\x8a\x80\0\0\0\0")
            if b'"status":"pending"' in text and not self.first.done():
                self.first.set_result(now)
            if b'"status":"error"' in text and not self.ended.done():
                self.ended.set_result(now)

    def connection_lost(self, error):
        for future in (self.first, self.ended):
            if not future.done():
                future.set_exception(error or ConnectionError("closed by the server"))


def waiting_job(binary, folder):
    """Creates a search without a worker, and returns it with its server."""
    server = Server(binary, folder)
    project = server.call("POST", "project/", {"name": "P", "user_column": "user", "item_column": "item"})["id"]
    csv = "user,item\n" + "".join(f"{user},{item}\n" for user in range(50) for item in range(user % 7, 20, 3))
    part = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    body = part.format("file", '; filename="d.csv"', csv) + part.format("project", "", project) + "--b--\r\n"
    data = server.call("POST", "training_data/", body.encode(), "multipart/form-data; boundary=b")["id"]
    while server.call("GET", f"training_data/{data}/")["status"] == "preparing":
        time.sleep(0.1)
    split, evaluation = server.call("POST", "split_config/")["id"], server.call("POST", "evaluation_config/")["id"]
    server.stop()
    server = Server(binary, folder, "--no-worker")
    return server, server.call("POST", "parameter_tuning_job/", {"data": data, "split": split, "evaluation": evaluation})["id"]


async def measure(server, job, count):
    host, port = server.base.removeprefix("http://").split(":")
    request = (
        f"GET /ws/job/{job}/status/?token={server.token} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    loop, gate, sockets = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE), []

    async def connect():
        async with gate:
            _, socket = await loop.create_connection(lambda: Socket(request), host, int(port))
            sockets.append(socket)
            await socket.first

    await connect()
    before, start = server.memory(), time.perf_counter()
    await asyncio.gather(*(connect() for _ in range(count - 1)))
    opened = time.perf_counter() - start
    busy = server.processor_seconds()
    await asyncio.sleep(IDLE_SECONDS)
    idle, held = (server.processor_seconds() - busy) / IDLE_SECONDS, server.memory() - before
    start = time.perf_counter()
    await asyncio.to_thread(server.call, "POST", f"parameter_tuning_job/{job}/cancel/")
    answered = time.perf_counter() - start
    heard = sorted(moment - start for moment in await asyncio.gather(*(socket.ended for socket in sockets)))
    print(f"{os.cpu_count()} cores, {platform.machine()}; server and clients on one machine\n")
    print("| sockets | opened in | memory each | processor while idle | change answered | half have it | all have it |\n|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {count:,} | {opened:.1f} s | {held / count / 1024:.1f} KiB | {idle:.1%} of a core | {answered * 1000:.0f} ms "
        f"| {statistics.median(heard) * 1000:.0f} ms | {heard[-1] * 1000:.0f} ms |"
    )


def main():
    binary, folder, *counts = sys.argv[1:]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server, job = waiting_job(binary, folder)
    try:
        asyncio.run(measure(server, job, int(counts[0]) if counts else 5_000))
    finally:
        server.stop()


main()
