"""The two services of the demo's web shop, each before its own database, and the people who use the shop: through the gateway, and
around it."""

import contextlib
import http.client
import http.server
import itertools
import json
import random
import threading
import time

import psycopg2

REFUSALS = ("40001", "OX001")  # certainly nothing was written: again, or elsewhere
FIRST_ORDER = 90_000_000  # of those that come through the gateway

LEGACY = {
    "GET": "SELECT row_to_json(c)::text FROM customers c WHERE customer_id = %(customer)s",
    "POST": "INSERT INTO orders VALUES (%(order)s, %(customer)s, %(cents)s / 100.0, 'O', now(), NULL) RETURNING '{}'",
    "note": "UPDATE customers SET note = %(note)s WHERE customer_id = %(customer)s",
}
# The new service has a mistake built in, for `oxbow diff` to find: it shows an empty note where there is none.
NEW = {
    "GET": "SELECT row_to_json(c)::text FROM (SELECT id, email, full_name, tier, credit_minor, joined_at, coalesce(note, '') AS note "
           "FROM shop.customer) c WHERE id = %(customer)s",
    "POST": "INSERT INTO shop.purchase VALUES (%(order)s, %(customer)s, %(cents)s, 'open', now(), NULL) RETURNING '{}'",
    "note": "UPDATE shop.customer SET note = %(note)s WHERE id = %(customer)s",
}


class ShopService:
    """GET /customers/ID answers with the customer as JSON; POST /customers/ID/orders places an order."""

    def __init__(self, url, sql):
        connections = threading.local()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self._answer({})

            def do_POST(self):
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _answer(self, values):
                if not hasattr(connections, "cursor"):
                    connection = psycopg2.connect(url)
                    connection.autocommit = True
                    connections.cursor = connection.cursor()
                try:
                    connections.cursor.execute(sql[self.command], {**values, "customer": int(self.path.split("/")[2])})
                    row = connections.cursor.fetchone()
                    self._send(200 if row else 404, row[0] if row else "{}")
                except psycopg2.Error as error:
                    self._send(409 if error.pgcode in REFUSALS else 500, "{}")

            def _send(self, status, text):
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            disable_nagle_algorithm = True

            def handle_error(self, *_):
                pass  # a client that goes away is no news

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class People:
    """Threads that do something again and again while the block lasts, each with its own choices."""

    def __init__(self, people):
        self._people, self.stopping, self._failure = people, threading.Event(), None

    def __enter__(self):
        self.stopping.clear()
        self._threads = [threading.Thread(target=self._guarded, args=(random.Random(seed),), daemon=True) for seed in range(self._people)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        for thread in self._threads:
            thread.join()
        if self._failure and kind is None:
            raise self._failure

    def _guarded(self, chance):
        try:
            self.live(chance)
        except Exception as failure:  # raised by whoever ends the block
            self._failure = failure


class Readers(People):
    """They look at customers through the gateway."""

    def __init__(self, port, customers):
        super().__init__(people=3)
        self.answered = self.failed = 0
        self._port, self._customers = port, customers

    def live(self, chance):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self.stopping.wait(0.01):
            connection.request("GET", f"/customers/{chance.randint(1, self._customers)}")
            answer = connection.getresponse()
            answer.read()
            if answer.status in (200, 404):
                self.answered += 1
            else:
                self.failed += 1
        connection.close()


class Buyers(People):
    """They place orders of some customers through the gateway, and know how long each took and which were confirmed."""

    def __init__(self, port, customers):
        super().__init__(people=4)
        self.orders = []  # (order, from, until)
        self.failed = 0
        self._port, self._customers = port, customers
        self._numbers = itertools.count(FIRST_ORDER)

    def live(self, chance):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self.stopping.wait(0.02):
            order, began = next(self._numbers), time.monotonic()
            body = json.dumps({"order": order, "cents": chance.randint(1, 99_999)})
            status = 409
            while status == 409:
                connection.request("POST", f"/customers/{chance.choice(self._customers)}/orders", body, {"Operation-Key": str(order)})
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            if status == 200:
                self.orders.append((order, began, time.monotonic()))
            else:
                self.failed += 1
        connection.close()

    def longest_ms(self, since, until):
        """How long the unluckiest of them waited who waited at some moment of this span."""
        return max((1000 * (ended - began) for _, began, ended in list(self.orders) if began <= until and ended >= since), default=0.0)


class Script(People):
    """A program that knows nothing of the gateway: it writes straight into a database, and goes where a refusal sends it."""

    def __init__(self, migration, customers):
        super().__init__(people=1)
        self.written = {"legacy": 0, "new": 0}
        self.refusals = []
        self._sides = {"legacy": (migration.legacy, LEGACY["note"]), "new": (migration.new, NEW["note"])}
        self._customers, self._side = customers, "legacy"

    def live(self, chance):
        connections = {side: psycopg2.connect(url) for side, (url, _) in self._sides.items()}
        while not self.stopping.wait(0.02):
            connection = connections[self._side]
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute(self._sides[self._side][1], {"note": f"checked {chance.random()}", "customer": chance.choice(self._customers)})
                self.written[self._side] += 1
            except psycopg2.Error as error:
                if error.pgcode not in REFUSALS:
                    raise
                if error.pgcode == "OX001":
                    self.refusals.append(error.diag.message_primary)
                    self._side = "new" if self._side == "legacy" else "legacy"
        for connection in connections.values():
            with contextlib.suppress(psycopg2.Error):
                connection.close()
