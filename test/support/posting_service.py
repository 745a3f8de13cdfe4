"""A service before one database, as a program of its own: `posting_service.py URL legacy|new`.

POST /accounts/ID/postings with {"operation": ..., "cents": ...} is one transaction: the account's balance moves, and the posting
gets the next number of the database's sequence. The answer holds that number. A refusal of the database (`40001`, `OX001`) is
answered with 409: certainly nothing was written. Prints its port as the only line, and serves until its standard input ends.
"""

import contextlib
import json
import queue
import socket
import sys
import threading

import psycopg2

from scripted_service import json_answer, read_body, read_until

SESSIONS = 12
REFUSALS = ("40001", "OX001")
WRITE = {
    "legacy": """WITH moved AS (UPDATE accounts SET balance = balance + %(cents)s / 100.0 WHERE account_id = %(account)s RETURNING account_id)
                 INSERT INTO postings (account_id, operation, amount) SELECT account_id, %(operation)s, %(cents)s / 100.0 FROM moved
                 RETURNING posting_id""",
    "new": """WITH moved AS (UPDATE ledger.account SET balance_minor = balance_minor + %(cents)s WHERE id = %(account)s RETURNING id)
              INSERT INTO ledger.posting (account_id, operation, amount_minor) SELECT id, %(operation)s, %(cents)s FROM moved
              RETURNING id""",
}


class Sessions:
    """A pool of database sessions; who finds none waits for one."""

    def __init__(self, url):
        self._idle = queue.LifoQueue()
        for _ in range(SESSIONS):
            session = psycopg2.connect(url)
            session.autocommit = True
            self._idle.put(session)

    @contextlib.contextmanager
    def one(self):
        session = self._idle.get()
        try:
            yield session
        finally:
            self._idle.put(session)


def answer(sessions, sql, head, body):
    account = int(head.split(b" ", 2)[1].split(b"/")[2])
    posting = json.loads(body)
    try:
        with sessions.one() as session, session.cursor() as cursor:
            cursor.execute(sql, {"account": account, "operation": posting["operation"], "cents": posting["cents"]})
            row = cursor.fetchone()
    except psycopg2.Error as error:
        status = "409 Conflict" if error.pgcode in REFUSALS else "500 Internal Server Error"
        return json_answer(json.dumps({"code": error.pgcode, "text": str(error)}), status)
    return json_answer(json.dumps({"posting": row[0]})) if row else json_answer("{}", "404 Not Found")


def serve(connection, sessions, sql):
    buffer = bytearray()
    with connection, contextlib.suppress(EOFError, ConnectionError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            head = read_until(connection, buffer, b"\r\n\r\n")
            connection.sendall(answer(sessions, sql, head, read_body(connection, buffer, head)))


def main():
    url, side = sys.argv[1:]
    sessions = Sessions(url)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, sessions, WRITE[side]), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
