"""Reads from a real PostgreSQL and a real MariaDB with `recotem pull`, in good and in bad times.

Usage: check_sources.py RECOTEM FOLDER
"""

import csv
import io
import os
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

from source_servers import CERTIFICATES, PASSWORD, Mariadb, Postgresql

RECOTEM, FOLDER = sys.argv[1], Path(sys.argv[2])
CHECKED = ["--tls", "verify_full", "--ca-certificate", str(CERTIFICATES / "ca.pem")]
COLUMNS = ["--user-column", "who", "--item-column", "what", "--time-column", "at"]
EVENTS = ["--table", "events"] + COLUMNS


def pull(server, *more, host="localhost", password=PASSWORD, zone="UTC", tls=CHECKED):
    """Runs the command; returns its exit status, its output and the rows of its file."""
    (FOLDER / "password").write_text(password + "\n")
    output = FOLDER / "part.csv.zst"
    output.unlink(missing_ok=True)
    connection = f"{server.scheme}://reader@{host}:{server.port}/shop"
    command = [RECOTEM, "pull", "--connection", connection, "--password-file", FOLDER / "password", "--time-zone", zone]
    said = subprocess.run(command + tls + list(more) + ["--output", output], capture_output=True, text=True)
    assert PASSWORD not in said.stdout + said.stderr, "the password is shown"
    return said, rows_of(output) if output.exists() else None


def rows_of(path):
    text = subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
    return list(csv.reader(io.StringIO(text.decode(), newline="")))[1:]


def read(server, *more, **options):
    said, rows = pull(server, *more, **options)
    assert said.returncode == 0, said.stderr
    return said, rows


def refused(server, reason, *more, **options):
    said, rows = pull(server, *more, **options)
    assert said.returncode == 1 and rows is None, said
    assert reason in said.stderr, said.stderr


def fill(server):
    """Creates the table of events, with hard text, equal times, and times without a zone."""
    is_mariadb = server.scheme == "mysql"
    moment, local = ("timestamp(6) NULL", "datetime(6)") if is_mariadb else ("timestamptz", "timestamp")
    server.shop(f"CREATE TABLE events (who varchar(100), what varchar(100), at {moment}, place_time {local}, amount int)")
    zone = "" if is_mariadb else "+00"
    if is_mariadb:
        server.sql("SET GLOBAL time_zone = '+00:00'")
    rows = ["('a,\"b\"', 'c\nd', '2026-11-28 12:00:00.5%s', '2026-10-25 02:30:00', 1)" % zone, "('', NULL, NULL, NULL, 2)", "('日本', 'é', '2026-11-28 12:00:00%s', '2026-07-01 12:00:00', 3)" % zone]
    rows += ["('u%d', 'i', '2026-11-28 13:00:00%s', '2026-11-28 13:00:00', 1)" % (n, zone) for n in range(1000)]
    server.shop("INSERT INTO events VALUES " + ", ".join(rows))
    server.shop("GRANT SELECT ON events TO reader" if not is_mariadb else "GRANT SELECT ON shop.events TO reader@localhost, reader@'127.0.0.1'")


def check_reading(server):
    _, rows = read(server, *EVENTS)
    assert len(rows) == 1003, len(rows)
    assert rows[0][:2] == ['a,"b"', "c\nd"] and rows[0][2].startswith("2026-11-28 12:00:00.5"), rows[0]
    assert rows[1] == ["", "", ""] and rows[2][:2] == ["日本", "é"], rows[:3]
    one = EVENTS + ["--cursor", "at", "--since", "2026-11-28T12:00:00Z", "--until", "2026-11-28T13:00:00Z"]
    said, rows = read(server, *one)
    assert len(rows) == 2 and "1 rows without a value of the cursor" in said.stderr, (rows, said.stderr)
    assert len(read(server, *one, "--with-nulls")[1]) == 3
    assert len(read(server, *EVENTS, "--cursor", "at", "--since", "2026-11-28T13:00:00Z", "--until", "2026-11-28T13:00:00.000001Z")[1]) == 1000
    assert len(read(server, *EVENTS, "--cursor", "amount", "--since", "2", "--until", "3")[1]) == 1
    pairs = read(server, "--table", "events", *COLUMNS, "--column", "amount", "--pairs")[1]
    assert len(pairs) == 1003, len(pairs)
    (FOLDER / "query.sql").write_text("SELECT who, what, at FROM events WHERE amount = 3 -- the end;")
    assert len(read(server, "--sql-file", FOLDER / "query.sql", *COLUMNS)[1]) == 1
    berlin = ["--table", "events", "--user-column", "who", "--item-column", "what", "--time-column", "place_time"]
    rows = read(server, *berlin, zone="Europe/Berlin")[1]
    assert rows[0][2].startswith("2026-10-25 01:30:00"), "the second of the two hours: %r" % rows[0]
    assert rows[2][2].startswith("2026-07-01 10:00:00"), rows[2]
    rows = read(server, *berlin, "--cursor", "place_time", "--since", "2026-10-25T00:45:00Z", "--until", "2026-10-25T01:31:00Z", zone="Europe/Berlin")[1]
    assert len(rows) == 1, rows


def check_refusals(server):
    refused(server, "log-in failed", *EVENTS, password="wrong")
    refused(server, "certificate is not trusted: it is for another name", *EVENTS, host="127.0.0.1")
    refused(server, "certificate is not trusted: no trusted authority", *EVENTS, tls=["--tls", "verify_full"])
    read(server, *EVENTS, host="127.0.0.1", tls=["--tls", "require"])
    refused(server, "table does not exist" if server.scheme == "postgres" else "ermission denied", "--table", "nothing", *COLUMNS)
    refused(server, "column does not exist", "--table", "events", "--user-column", "whom", "--item-column", "what")
    for text in ("DELETE FROM events", "SELECT 1; DELETE FROM events", "SELECT 1) AS x; DELETE FROM events; -- ", "SELECT 1 AS who /*"):
        (FOLDER / "query.sql").write_text(text)
        said, rows = pull(server, "--sql-file", FOLDER / "query.sql", "--all-columns")
        assert said.returncode == 1 and rows is None, said
    assert server.shop("SELECT count(*) FROM events").strip() == "1003"
    server.shop("CREATE TABLE hidden (who int)")
    refused(server, "ermission denied", "--table", "hidden", "--all-columns")


def check_lost_server(server):
    """The server is killed while it sends rows: the command fails soon and leaves no file."""
    endless = {
        "postgres": "SELECT generate_series(1, 2000000000) AS who, 1 AS what, now() AS at",
        "mysql": "SELECT a.who, a.what, a.at FROM events a, events b, events c",
    }
    (FOLDER / "query.sql").write_text(endless[server.scheme])
    killed = threading.Thread(target=lambda: (time.sleep(2), server.kill()))
    killed.start()
    refused(server, "interrupted", "--sql-file", FOLDER / "query.sql", *COLUMNS)
    killed.join()
    server.start()
    assert len(read(server, *EVENTS)[1]) == 1003, "the server is there again, and so are the rows"


class FileThief(socketserver.BaseRequestHandler):
    """Speaks MySQL as far as to answer the first query with a request for a file of the client."""

    stolen = []

    def packet(self, number, body):
        self.request.sendall(len(body).to_bytes(3, "little") + bytes([number]) + body)

    def handle(self):
        flags = 0xFFFF_F7FF  # everything except encryption
        greeting = b"\x0a5.7.0\0" + (1).to_bytes(4, "little") + b"abcdefgh\0" + (flags & 0xFFFF).to_bytes(2, "little")
        greeting += b"\x2d\x02\0" + (flags >> 16).to_bytes(2, "little") + b"\x15" + bytes(10) + b"abcdefghijkl\0mysql_native_password\0"
        self.packet(0, greeting)
        self.request.recv(65536)
        self.packet(2, b"\0\0\0\2\0\0\0")
        self.request.recv(65536)
        self.packet(1, b"\xfb/etc/passwd")
        self.request.settimeout(5)
        try:
            FileThief.stolen.append(self.request.recv(65536))
        except OSError:
            pass


def check_file_thief():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), FileThief) as thief:
        threading.Thread(target=thief.serve_forever, daemon=True).start()
        thief.scheme, thief.port = "mysql", thief.server_address[1]
        said, rows = pull(thief, *EVENTS, host="127.0.0.1", tls=["--tls", "off"])
        thief.shutdown()
    assert said.returncode == 1 and rows is None, said
    assert FileThief.stolen and all(b"root:" not in sent for sent in FileThief.stolen), FileThief.stolen
    print("a server that asks for a file does not get it:", said.stderr.strip())


def check_night(mariadb):
    """Plays nights from a MariaDB to a PostgreSQL, with the clock of a test."""
    environment = os.environ | {"RECOTEM_TEST_MARIADB_PORT": str(mariadb.port), "RECOTEM_TEST_MARIADB_SOCKET": f"{mariadb.folder}/socket"}
    profile = os.environ.get("PROFILE", "demo")
    command = ["cargo", "test", "--workspace", "--profile", profile, "--locked", "--quiet", "--test", "integration", "--", "--ignored", "mariadb"]
    said = subprocess.run(command, env=environment, cwd=Path(__file__).resolve().parent.parent, capture_output=True, text=True)
    assert said.returncode == 0 and "1 passed" in said.stdout, said.stdout + said.stderr
    print("nights: rows of a MariaDB became lists in a PostgreSQL, and a broken one was held")


def main():
    check_file_thief()
    for kind in (Postgresql, Mariadb):
        server = kind(FOLDER / kind.__name__)
        try:
            fill(server)
            check_reading(server)
            check_refusals(server)
            check_lost_server(server)
            if kind is Mariadb:
                check_night(server)
        finally:
            server.kill()
        print(f"{kind.__name__}: rows, windows, zones, refusals and a lost server")


main()
