"""Delivers lists to a real PostgreSQL and a real MariaDB with `recotem deliver`, while a reader counts rows all the time.

Usage: check_deliveries.py RECOTEM FOLDER
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

from source_servers import CERTIFICATES, PASSWORD, Mariadb, Postgresql

RECOTEM, FOLDER = sys.argv[1], Path(sys.argv[2])
SMALL, LARGE = 5_000, 400_000
HEADER = "user_id,rank,item_id,score\n"


def lists(rows):
    """Writes a file of lists with so many rows, one of which has hard text."""
    path = FOLDER / f"lists-{rows}.csv"
    with open(path, "w") as file:
        file.write(HEADER + '"a,""b""",1,"c\'\\é\nd",0.5\n')
        file.writelines(f"u{n},1,item {n % 997},{n / 7:.3f}\n" for n in range(1, rows))
    return path


def start(server, file, table):
    connection = f"{server.scheme}://reader@localhost:{server.port}/shop"
    command = [RECOTEM, "deliver", "--connection", connection, "--password-file", FOLDER / "password", "--tls", "verify_full"]
    command += ["--ca-certificate", CERTIFICATES / "ca.pem", "--table", f"{server.schema}.{table}", "--lists", file]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def deliver(server, file, table="lists"):
    process = start(server, file, table)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said


def refused(server, file, reason, table="lists"):
    process = start(server, file, table)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 1 and reason in said, said


def count(server, table="lists"):
    return int(server.shop(f"SELECT count(*) FROM {table}"))


def staged(server):
    """Returns how many tables are beside those of lists."""
    return int(server.shop("SELECT count(*) FROM information_schema.tables WHERE table_name LIKE '%recotem%'"))


def may_write(server, may):
    if server.scheme == "postgres":
        server.shop("GRANT CREATE ON SCHEMA public TO reader" if may else "REVOKE CREATE ON SCHEMA public FROM reader")
        return
    # Without any right it could not even log in.
    rights = "INSERT, CREATE, ALTER, DROP ON shop.*"
    for account in ("reader@localhost", "reader@'127.0.0.1'"):
        server.sql(f"GRANT SELECT ON shop.* TO {account}")
        server.sql(f"GRANT {rights} TO {account}" if may else f"REVOKE {rights} FROM {account}")


class Reader(threading.Thread):
    """Counts the rows of a table until it is told to end."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.seen, self.counts, self.is_over = server, set(), 0, False
        self.start()

    def run(self):
        while not self.is_over:
            self.seen.add(count(self.server))
            self.counts += 1

    def end(self):
        self.is_over = True
        self.join()
        return self.seen


def check_swap(server, small, large):
    # What is revoked has to be granted first.
    may_write(server, True)
    may_write(server, False)
    refused(server, small, "Permission denied")
    may_write(server, True)
    deliver(server, small)
    assert count(server) == SMALL and staged(server) == 0
    quote = "''" if server.scheme == "postgres" else "\\'"
    slash = "\\" if server.scheme == "postgres" else "\\\\"
    hard = f"SELECT count(*) FROM lists WHERE user_id = 'a,\"b\"' AND item_id = 'c{quote}{slash}é\nd' AND score = 0.5"
    assert server.shop(hard).strip() == "1"
    reader = Reader(server)
    for file in (large, small, large):
        deliver(server, file)
    seen = reader.end()
    assert seen == {SMALL, LARGE}, seen
    print(f"  a reader counted {reader.counts} times and saw {sorted(seen)} rows only")


def check_kill(server, small, large):
    """The program is killed while it sends: the old rows stay, and the next delivery leaves nothing beside the table."""
    deliver(server, small)
    for pause in (0.3, 0.6, 0.9):
        process = start(server, large, "lists")
        time.sleep(pause)
        process.kill()
        process.communicate()
        rows = count(server)
        assert rows in (SMALL, LARGE), rows
    print(f"  killed three times; {staged(server)} tables beside it, {count(server)} rows")
    deadline = time.monotonic() + 60
    while True:
        process = start(server, large, "lists")
        _, said = process.communicate()
        if process.returncode == 0:
            break
        assert "another delivery" in said and time.monotonic() < deadline, said
    assert count(server) == LARGE and staged(server) == 0


def check_refusals(server, small):
    server.shop("CREATE TABLE orders (id int)")
    refused(server, small, "is not a table with the columns user_id, rank, item_id, score", "orders")
    server.shop("INSERT INTO orders VALUES (1)")
    refused(server, lists_without_number(), "do not fit into the table", "lists")
    assert count(server) == LARGE and staged(server) == 0
    may_write(server, False)
    refused(server, small, "Permission denied")
    assert count(server) == LARGE
    may_write(server, True)


def lists_without_number():
    path = FOLDER / "wrong.csv"
    path.write_text(HEADER + "u,first,i,1\n")
    return path


def main():
    (FOLDER / "password").write_text(PASSWORD + "\n")
    small, large = lists(SMALL), lists(LARGE)
    for kind in (Postgresql, Mariadb):
        server = kind(FOLDER / kind.__name__)
        try:
            check_swap(server, small, large)
            check_kill(server, small, large)
            check_refusals(server, small)
        finally:
            server.kill()
        print(f"{kind.__name__}: swaps, kills, other tables and lost rights")


main()
