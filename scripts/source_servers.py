"""PostgreSQL and MariaDB servers on loopback, with data of their own, for checks and measurements of sources."""

import glob
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CERTIFICATES = Path(__file__).resolve().parent.parent / "tests/integration/support/certificates"
PASSWORD = "the password of a reader"
PATIENCE = 60
# Servers refuse to run as root.
UNPRIVILEGED = ["runuser", "-u", "nobody", "--"] if os.getuid() == 0 else []


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def give_away(path):
    """Gives a folder to the user that servers run as."""
    if UNPRIVILEGED:
        subprocess.run(["chown", "-R", "nobody", path], check=True)


class Server:
    """A server process, which is killed at the end."""

    process = None

    def spawn(self, command):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(UNPRIVILEGED + command, stdout=log, stderr=log, start_new_session=True)

    def wait(self, command):
        """Waits until a client command succeeds."""
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(command, capture_output=True).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.1)

    def kill(self):
        """Ends it at once, as a crash does."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Postgresql(Server):
    """PostgreSQL with encryption and passwords, a superuser `owner` and a role `reader`."""

    scheme, schema = "postgres", "public"

    def __init__(self, folder):
        self.folder, self.port = Path(folder), free_port()
        self.folder.mkdir()
        self.programs = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1] if glob.glob("/usr/lib/postgresql/*/bin") else os.path.dirname(shutil.which("postgres")))
        for name in ("server.pem", "server.key"):
            shutil.copy(CERTIFICATES / name, self.folder / name)
        os.chmod(self.folder / "server.key", 0o600)
        (self.folder / "log").touch()
        give_away(self.folder)
        data = str(self.folder / "data")
        subprocess.run(UNPRIVILEGED + [str(self.programs / "initdb"), "-D", data, "-U", "owner", "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--no-sync"], check=True, capture_output=True, cwd=self.folder)
        self.start()
        self.sql(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        self.sql("CREATE DATABASE shop", "postgres")

    def start(self):
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder, "ssl": "on", "ssl_cert_file": self.folder / "server.pem", "ssl_key_file": self.folder / "server.key", "fsync": "off", "max_wal_size": "8GB"}
        options = [f"-c{name}={value}" for name, value in settings.items()]
        self.spawn([str(self.programs / "postgres"), "-D", str(self.folder / "data")] + options)
        self.wait(self.client("postgres") + ["-c", "SELECT 1"])

    def client(self, database):
        return ["psql", "-h", str(self.folder), "-p", str(self.port), "-U", "owner", "-d", database, "-qAt", "-v", "ON_ERROR_STOP=1"]

    def sql(self, text, database="postgres"):
        return subprocess.run(self.client(database) + ["-c", text], check=True, capture_output=True, text=True).stdout

    def shop(self, text):
        return self.sql(text, "shop")


class Mariadb(Server):
    """MariaDB with encryption and passwords, and an account `reader`."""

    scheme, schema = "mysql", "shop"

    def __init__(self, folder):
        self.folder, self.port = Path(folder), free_port()
        self.folder.mkdir()
        for name in ("server.pem", "server.key", "ca.pem"):
            shutil.copy(CERTIFICATES / name, self.folder / name)
        (self.folder / "log").touch()
        give_away(self.folder)
        subprocess.run(UNPRIVILEGED + ["mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--auth-root-authentication-method=normal", "--skip-test-db"], check=True, capture_output=True, cwd=self.folder)
        self.start()
        self.sql("CREATE DATABASE shop CHARACTER SET utf8mb4")
        self.sql(f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; CREATE USER reader@localhost IDENTIFIED BY '{PASSWORD}'")

    def start(self):
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        self.spawn([program, "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.folder}/socket", f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid", f"--ssl-cert={self.folder}/server.pem", f"--ssl-key={self.folder}/server.key", f"--ssl-ca={self.folder}/ca.pem", "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=512M"])
        self.wait(self.client() + ["-e", "SELECT 1"])

    def client(self, database=None):
        return ["mariadb", "--no-defaults", f"--socket={self.folder}/socket", "-u", "root", "-N", "-B", "--default-character-set=utf8mb4"] + ([database] if database else [])

    def sql(self, text, database=None):
        return subprocess.run(self.client(database) + ["-e", text], check=True, capture_output=True, text=True).stdout

    def shop(self, text):
        return self.sql(text, "shop")
