"""Private PostgreSQL servers for tests, demo and benchmarks.

Each lives in a temporary directory on a free port of 127.0.0.1, trusts local connections and disappears with the
block that started it: on exit, on an exception, on Ctrl-C, and (through the kernel) when this process is killed.

    with Cluster({"wal_level": "logical"}) as cluster:
        url = cluster.create_database("legacy")

From a shell or a C++ test, `cluster.py NAME=VALUE...` starts one, prints its URL as the only line and serves until
its standard input is closed.
"""

import atexit
import contextlib
import ctypes
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import psycopg2

# Fast and disposable. What measures turns durability on: see DURABLE.
DEFAULTS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "wal_level": "logical",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    "max_prepared_transactions": "20",
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "on",
    "full_page_writes": "off",
    "timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
}

# A server that keeps its promises, for figures that mean something.
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "min_wal_size": "8GB",  # files of the log are used again, so that the first run alone pays for making them
    "checkpoint_timeout": "15min",
}

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_template = None


def binary(name):
    """Path of a PostgreSQL program of the newest version installed."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: int(path.split("/")[4]))
    return found[-1] if found else name


def _server_user():
    """initdb and postgres refuse to run as root, so root hands them to user postgres."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def _become_server():
    """Between fork and exec: another user if we are root, and no server may outlive us."""
    os.setpgid(0, 0)  # Ctrl-C is for us; we stop the server in our own order
    user = _server_user()
    if user:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def die_with_parent():
    """Between fork and exec of any other program of a test."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _run(*command):
    done = subprocess.run(command, preexec_fn=_become_server, cwd="/", capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")


def make_directory(base=None):
    """A temporary directory that the server's user may write; removed at exit."""
    user = _server_user()
    path = tempfile.mkdtemp(prefix="oxbow-", dir=base or ("/tmp" if user else None))  # root's own TMPDIR may be closed to others
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _data_template():
    """initdb takes a second; each further cluster copies its result."""
    global _template
    if _template is None:
        path = os.path.join(make_directory(), "template")
        _run(binary("initdb"), "-D", path, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
             "--no-sync", "--no-instructions")
        _template = path
    return _template


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """One server. `settings` override DEFAULTS; `hba` lines go before the rule that trusts everybody."""

    def __init__(self, settings=None, base=None, hba=()):
        self.settings = {**DEFAULTS, **(settings or {})}
        self.directory = make_directory(base)
        self.data = os.path.join(self.directory, "data")
        self.log = os.path.join(self.directory, "log")
        self.port = free_port()
        self.process = None
        _run("cp", "-a", _data_template(), self.data)
        if hba:
            path = os.path.join(self.data, "pg_hba.conf")
            with open(path, encoding="utf-8") as file:
                rules = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(hba) + "\n" + rules)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.destroy()

    def start(self):
        """Starts the server and waits until it answers; also after stop() or kill()."""
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [binary("postgres"), "-D", self.data, "-p", str(self.port), "-k", self.directory, *options],
                preexec_fn=_become_server, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        atexit.register(self.stop)
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg2.connect(self.url("postgres")).close()
                return
            except psycopg2.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server did not start:\n{self.tail_of_log()}") from None
                time.sleep(0.02)

    def stop(self, how=signal.SIGINT):
        """SIGTERM waits for sessions, SIGINT ends them, SIGQUIT leaves recovery for the next start."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(30)
        atexit.unregister(self.stop)

    def crash(self):
        self.stop(signal.SIGQUIT)

    def restart(self, how=signal.SIGINT):
        self.stop(how)
        self.start()

    def keep_copy(self):
        """What a backup, or a standby that lags, has of the server. It is stopped meanwhile."""
        self.stop()
        _run("cp", "-a", self.data, self._copy())
        self.start()

    def come_back_from_copy(self):
        """Whatever was written since then is forgotten. A server that is away already does not come up in between."""
        self.stop()
        shutil.rmtree(self.data)
        os.rename(self._copy(), self.data)
        self.start()

    def _copy(self):
        return self.data + ".copy"

    def destroy(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def url(self, database, user="postgres", port=None):
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def create_database(self, name):
        """Creates it and returns its URL."""
        self.execute("postgres", f'CREATE DATABASE "{name}"')
        return self.url(name)

    def execute(self, database, sql):
        """Runs statements outside a transaction block and returns the rows of the last one, if it has any."""
        return execute(self.url(database), sql)

    def tail_of_log(self, lines=30):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])


def execute(url, sql, parameters=None):
    """Runs statements on their own connection, each its own transaction; rows of the last one, if it has any."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Cluster(dict(word.split("=", 1) for word in sys.argv[1:])) as cluster:
        print(cluster.url("postgres"), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
