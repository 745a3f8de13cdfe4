"""The two services of the demo's web shop, each before its own database, and the people who read through the gateway."""

import http.client
import http.server
import random
import threading

import psycopg2

LEGACY = "SELECT row_to_json(c)::text FROM customers c WHERE customer_id = %s"
# The new service has a mistake built in, for `oxbow diff` to find: it shows an empty note where there is none.
NEW = ("SELECT row_to_json(c)::text FROM (SELECT id, email, full_name, tier, credit_minor, joined_at, coalesce(note, '') AS note "
       "FROM shop.customer) c WHERE id = %s")


class ShopService:
    """GET /customers/ID answers with the customer as JSON."""

    def __init__(self, url, sql):
        connections = threading.local()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if not hasattr(connections, "cursor"):
                    connection = psycopg2.connect(url)
                    connection.autocommit = True
                    connections.cursor = connection.cursor()
                connections.cursor.execute(sql, (self.path.rsplit("/", 1)[1],))
                row = connections.cursor.fetchone()
                body = (row[0] if row else "{}").encode()
                self.send_response(200 if row else 404)
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


class Readers:
    """People who look at customers through the gateway while the block lasts."""

    def __init__(self, port, customers, people=3):
        self.answered = self.failed = 0
        self._port, self._customers, self._stop = port, customers, threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(seed,)) for seed in range(people)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, seed):
        chance = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop.wait(0.01):
            connection.request("GET", f"/customers/{chance.randint(1, self._customers)}")
            answer = connection.getresponse()
            answer.read()
            if answer.status in (200, 404):
                self.answered += 1
            else:
                self.failed += 1
        connection.close()
