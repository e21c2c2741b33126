"""Reads files from moto's S3 and from a web server with `recotem pull`, in good and in bad times.

Usage: check_files.py RECOTEM FOLDER
"""

import csv
import functools
import gzip
import http.client
import http.server
import io
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import boto3
import pyarrow
import pyarrow.parquet
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").disabled = True
RECOTEM, FOLDER = sys.argv[1], Path(sys.argv[2])
SECRET = "very-secret-access-key"
COLUMNS = ["--user-column", "who", "--item-column", "what"]


def pull(place, *more):
    """Runs the command; returns its exit status, its output and the rows of its file."""
    (FOLDER / "secret").write_text(SECRET + "\n")
    output = FOLDER / "part.csv.zst"
    output.unlink(missing_ok=True)
    command = [RECOTEM, "pull", "--connection", place] + COLUMNS + list(more) + ["--output", output]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert SECRET not in said.stdout + said.stderr, "the secret is shown"
    if not output.exists():
        return said, None
    text = subprocess.run(["zstd", "-dc", output], check=True, capture_output=True).stdout
    return said, list(csv.reader(io.StringIO(text.decode(), newline="")))[1:]


def read(place, *more):
    said, rows = pull(place, *more)
    assert said.returncode == 0, said.stderr
    return rows


def refused(place, reason, *more):
    said, rows = pull(place, *more)
    assert said.returncode == 1 and rows is None, said
    assert reason in said.stderr, said.stderr


class Breaking(http.server.BaseHTTPRequestHandler):
    """Passes requests on to a server, and breaks as many answers about objects as it is told to."""

    protocol_version = "HTTP/1.1"
    target = None
    breaks = []

    def do_GET(self):
        body = None
        connection = http.client.HTTPConnection(*self.target)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        is_object = self.command == "GET" and "list-type" not in self.path
        how = self.breaks.pop(0) if is_object and self.breaks else None
        if how == "error":
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                self.send_header(name, '"changed"' if how == "changed" and name.lower() == "etag" else value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(content[: len(content) // 2] if how == "cut" else content)
        if how == "cut":
            self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, server.server_address[1]


def fill(store):
    lines = "".join(json.dumps({"who": f"u{n}", "what": n, "more": [n]}) + "\n" for n in range(1000))
    store.put_object(Bucket="shop", Key="events/dt=2026-11-29/a.csv", Body=b"who,what\nada,lamp\n\"b,c\",chair\n")
    store.put_object(Bucket="shop", Key="events/dt=2026-11-29/_SUCCESS", Body=b"")
    store.put_object(Bucket="shop", Key="events/dt=2026-11-30/b.jsonl.gz", Body=gzip.compress(lines.encode()))
    table = pyarrow.table({"who": [f"p{n}" for n in range(100_000)], "what": list(range(100_000))})
    written = io.BytesIO()
    pyarrow.parquet.write_table(table, written, row_group_size=10_000)
    store.put_object(Bucket="shop", Key="events/dt=2026-12-01/c.parquet", Body=written.getvalue())
    for n in range(1100):
        store.put_object(Bucket="shop", Key=f"many/{n:04}.csv", Body=f"who,what\nu{n},i\n".encode())


def check_bucket(port):
    place = ["--endpoint", f"http://127.0.0.1:{port}", "--access-key-id", "AKIA", "--secret-file", str(FOLDER / "secret")]
    assert read("s3://shop/events/dt=2026-11-29/*", *place) == [["ada", "lamp"], ["b,c", "chair"]]
    assert len(read("s3://shop/events/dt={yyyy-mm-dd}/*", *place)) == 101_002
    assert len(read("s3://shop/many/*.csv", *place)) == 1100, "more than one page of a listing"
    refused("s3://shop/events/none/*", "No file matches", *place)
    refused("s3://nowhere/*.csv", "There is no", *place)
    refused("s3://shop/events/**/*.parquet", "column", *place, "--column", "absent")
    print("moto: CSV, JSON Lines, Parquet, patterns, pages of a listing, refusals")


def check_faults(port):
    broken, at = serve(type("Handler", (Breaking,), {"target": ("127.0.0.1", port), "breaks": []}))
    handler = broken.RequestHandlerClass
    place = ["--endpoint", f"http://127.0.0.1:{at}", "--access-key-id", "AKIA", "--secret-file", str(FOLDER / "secret")]
    for breaks in (["error", "error"], ["cut"], ["cut", "error", "cut"], ["changed"]):
        handler.breaks[:] = breaks
        assert len(read("s3://shop/events/dt=2026-12-01/*", *place)) == 100_000, breaks
        assert not handler.breaks, breaks
    handler.breaks[:] = ["error"] * 50
    refused("s3://shop/events/dt=2026-12-01/*", "Try again", *place)
    handler.breaks[:] = ["cut"] * 50
    refused("s3://shop/events/dt=2026-12-01/*", "Try again", *place)
    print("faults: errors, answers that are cut, an object that changes; long ones are told")


def check_web():
    folder = FOLDER / "web"
    folder.mkdir()
    (folder / "a.csv").write_text("who,what\nada,lamp\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.func.log_message = lambda *_: None
    _, port = serve(handler)
    assert read(f"http://127.0.0.1:{port}/a.csv") == [["ada", "lamp"]]
    refused(f"http://127.0.0.1:{port}/none.csv", "No file matches")
    assert read(str(folder / "*.csv")) == [["ada", "lamp"]]
    print("web: a file, and one that is missing; and a folder")


def main():
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    port = moto.get_host_and_port()[1]
    store = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
                         aws_access_key_id="AKIA", aws_secret_access_key=SECRET)
    store.create_bucket(Bucket="shop")
    fill(store)
    check_bucket(port)
    check_faults(port)
    check_web()
    moto.stop()


main()
