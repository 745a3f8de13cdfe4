"""A service before one database, as a program of its own: `sql_service.py URL '{"PUT /users/{user}/plan": "UPDATE ...", ...}'`.

A request runs the statement of its route, with the parts of its path and the members of its JSON body as parameters, and is
answered with the row as JSON, or 404 if there is none. A refusal of the database (`40001`, `OX001`) is answered with 409: certainly
nothing was written. Prints its port as the only line, and serves until its standard input ends. `sql_service` in Python starts one.
"""

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import threading

import psycopg2
import psycopg2.extras

from cluster import die_with_parent
from scripted_service import json_answer, read_body, read_until

SESSIONS = 12
REFUSALS = ("40001", "OX001")


@contextlib.contextmanager
def sql_service(url, routes):
    """Yields its port."""
    program = subprocess.Popen([sys.executable, os.path.abspath(__file__), url, json.dumps(routes)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    try:
        yield int(program.stdout.readline())
    finally:
        program.kill()
        program.communicate()


class Sessions:
    """A pool of database sessions; who finds none waits for one. One that is lost is opened again by the next who needs it."""

    def __init__(self, url):
        self._url = url
        self._idle = queue.LifoQueue()
        for _ in range(SESSIONS):
            self._idle.put(self._open())

    def _open(self):
        session = psycopg2.connect(self._url, cursor_factory=psycopg2.extras.RealDictCursor)
        session.autocommit = True
        return session

    @contextlib.contextmanager
    def one(self):
        session = self._idle.get()
        try:
            if session.closed:
                session = self._open()
            yield session
        finally:
            self._idle.put(session)


class Routes:
    def __init__(self, routes):
        self._routes = [(method, path.split("/"), sql) for (method, path), sql in ((route.split(" "), sql) for route, sql in routes.items())]

    def find(self, method, target):
        """The statement and the parts of the path, or None."""
        parts = target.split("/")
        for of_method, path, sql in self._routes:
            if method == of_method and len(parts) == len(path) and all(ours == asked or ours[:1] == "{" for ours, asked in zip(path, parts)):
                return sql, {ours[1:-1]: asked for ours, asked in zip(path, parts) if ours[:1] == "{"}
        return None


def answer(sessions, routes, head, body):
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    found = routes.find(method, target)
    if not found:
        return json_answer("{}", "404 Not Found")
    sql, parts = found
    try:
        with sessions.one() as session, session.cursor() as cursor:
            cursor.execute(sql, {**(json.loads(body) if body else {}), **parts})
            row = cursor.fetchone()
    except psycopg2.Error as error:
        status = "409 Conflict" if error.pgcode in REFUSALS else "500 Internal Server Error"
        return json_answer(json.dumps({"code": error.pgcode, "text": str(error)}), status)
    return json_answer(json.dumps(row)) if row else json_answer("{}", "404 Not Found")


def serve(connection, sessions, routes):
    buffer = bytearray()
    with connection, contextlib.suppress(EOFError, ConnectionError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            head = read_until(connection, buffer, b"\r\n\r\n")
            connection.sendall(answer(sessions, routes, head, read_body(connection, buffer, head)))


def main():
    url, routes = sys.argv[1:]
    sessions, routes = Sessions(url), Routes(json.loads(routes))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, sessions, routes), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
