"""The migration that most scenarios use: a web shop that moves to another shape while people buy.

The legacy side has four tables; the new side renames, scales, maps and drops columns. `COMPARISONS` states for the
oracle, in SQL, what equal means; it is written by hand and not derived from the spec.
"""

import random
import threading
import time

import psycopg2

from oracle import Comparison

NOT_AT_HOME = "OX001"

LEGACY_SCHEMA = """
CREATE TABLE customers (
  customer_id bigint PRIMARY KEY,
  email       text NOT NULL UNIQUE,
  name        text NOT NULL,
  tier        char(1) NOT NULL CHECK (tier IN ('S', 'G', 'P')),
  credit      numeric(12, 2),
  joined      timestamptz NOT NULL DEFAULT now(),
  note        text,
  legacy_flag boolean NOT NULL DEFAULT false
);
ALTER TABLE customers ALTER note SET STORAGE EXTERNAL;
CREATE TABLE orders (
  order_id    bigint PRIMARY KEY,
  customer_id bigint NOT NULL,
  amount      numeric(12, 2) NOT NULL,
  state       char(1) NOT NULL,
  placed      timestamptz NOT NULL DEFAULT now(),
  doc         jsonb
);
CREATE TABLE order_lines (
  order_id    bigint,
  line_no     integer,
  customer_id bigint NOT NULL,
  sku         text NOT NULL,
  quantity    integer NOT NULL,
  PRIMARY KEY (order_id, line_no)
);
CREATE TABLE visits (
  visit_id    bigint PRIMARY KEY,
  customer_id bigint NOT NULL,
  page        text NOT NULL
);
"""

NEW_SCHEMA = """
CREATE SCHEMA shop;
CREATE TABLE shop.customer (
  id           bigint PRIMARY KEY,
  email        text NOT NULL UNIQUE,
  full_name    text NOT NULL,
  tier         text NOT NULL CHECK (tier IN ('standard', 'gold', 'platinum')),
  credit_minor bigint,
  joined_at    timestamptz NOT NULL,
  note         text
);
CREATE TABLE shop.purchase (
  id           bigint PRIMARY KEY,
  customer_id  bigint NOT NULL,
  amount_minor bigint NOT NULL,
  status       text NOT NULL,
  placed_at    timestamptz NOT NULL,
  doc          jsonb
);
CREATE TABLE shop.purchase_line (
  purchase_id  bigint,
  line_no      integer,
  customer_id  bigint NOT NULL,
  sku          text NOT NULL,
  quantity     integer NOT NULL,
  PRIMARY KEY (purchase_id, line_no)
);
CREATE TABLE shop.visit (
  id           bigint PRIMARY KEY,
  customer_id  bigint NOT NULL,
  page         text NOT NULL
);
"""

# `{extra}` takes further top-level or cohort lines of a scenario.
SPEC = """
migration: shop
owners: {{ legacy: team-web, new: team-shop, coexistence: team-platform }}
systems:
  legacy: {{ database: "{legacy}" }}
  new:    {{ database: "{new}" }}
entities:
  customer:
    key: customer_id
    tables:
      - legacy: public.customers
        new: shop.customer
        columns:
          customer_id: id
          name: full_name
          tier: {{ map: {{ S: standard, G: gold, P: platinum }} }}
          credit: {{ to: credit_minor, scale: 100 }}
          joined: joined_at
          legacy_flag: {{ drop: true, why: "nobody reads it", backward: "false" }}
      - legacy: public.orders
        new: shop.purchase
        columns:
          order_id: id
          amount: {{ to: amount_minor, scale: 100 }}
          state: {{ to: status, map: {{ O: open, P: paid, X: cancelled }} }}
          placed: placed_at
      - legacy: public.order_lines
        new: shop.purchase_line
        columns: {{ order_id: purchase_id }}
      - legacy: public.visits
        new: shop.visit
        columns: {{ visit_id: id }}
{cohorts}
{extra}
"""

COMPARISONS = [
    Comparison(
        "customers",
        """SELECT customer_id, email, name, CASE tier WHEN 'S' THEN 'standard' WHEN 'G' THEN 'gold' ELSE 'platinum' END,
                  (credit * 100)::bigint, joined, note FROM customers""",
        "SELECT id, email, full_name, tier, credit_minor, joined_at, note FROM shop.customer"),
    Comparison(
        "orders",
        """SELECT order_id, customer_id, (amount * 100)::bigint,
                  CASE state WHEN 'O' THEN 'open' WHEN 'P' THEN 'paid' ELSE 'cancelled' END, placed, doc FROM orders""",
        "SELECT id, customer_id, amount_minor, status, placed_at, doc FROM shop.purchase"),
    Comparison(
        "order_lines",
        "SELECT order_id, line_no, customer_id, sku, quantity FROM order_lines",
        "SELECT purchase_id, line_no, customer_id, sku, quantity FROM shop.purchase_line", key=2),
    Comparison(
        "visits",
        "SELECT visit_id, customer_id, page FROM visits",
        "SELECT id, customer_id, page FROM shop.visit"),
]

FILL = """
INSERT INTO customers
  SELECT i, 'user' || i || '@example.org', 'Name ' || i, (ARRAY['S', 'G', 'P'])[1 + i % 3],
         CASE WHEN i % 7 > 0 THEN (i % 1000) / 4.0 END, now() - i * interval '1 minute',
         CASE WHEN i % 20 = 0 THEN repeat(md5(i::text), 100) WHEN i % 2 = 0 THEN 'short ' || i END, i % 5 = 0
  FROM generate_series(1, {rows}) AS i;
INSERT INTO orders
  SELECT i, 1 + i % {rows}, i / 8.0, (ARRAY['O', 'P', 'X'])[1 + i % 3], now(), jsonb_build_object('n', i)
  FROM generate_series(1, {rows}) AS i;
INSERT INTO order_lines
  SELECT i, line, 1 + i % {rows}, 'sku' || line, i % 10 FROM generate_series(1, {rows}) AS i, generate_series(1, 2) AS line;
INSERT INTO visits SELECT i, 1 + i % {rows}, '/home' FROM generate_series(1, {rows}) AS i;
"""


class Workload:
    """Threads that write the legacy side as an application would, and now and then as a nasty one.

    Each has its own connection and its own seeded choices. Losing the race for a key or a connection is part of the
    game; anything else is raised by stop().
    """

    def __init__(self, url, rows, seed=1, threads=3, transactions_per_second=300, acts=None):
        self.url = url
        self.rows = rows
        self.pause_s = threads / transactions_per_second
        self.acts = [act for act in ACTS if acts is None or act[1].__name__ in acts]
        self.committed = 0
        self.refused = 0  # because the cohort is at home on the other side
        self.failure = None
        self.stopping = threading.Event()
        self.next_key = rows * 10
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._guarded, args=(random.Random(f"{seed}/{i}"),), daemon=True)
                        for i in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        settle_prepared(self.url)
        if self.failure and kind is None:
            raise self.failure

    def stop(self):
        self.__exit__(None)

    def _guarded(self, chance):
        try:
            while not self.stopping.is_set():
                try:
                    self._session(chance)
                except (psycopg2.OperationalError, psycopg2.InterfaceError):
                    self.stopping.wait(0.1)  # the server restarts; so would the application
        except Exception as failure:  # reported by the thread that stops us
            self.failure = failure

    def _session(self, chance):
        connection = psycopg2.connect(self.url, options="-c lock_timeout=2s")
        try:
            settle_prepared(self.url, threading.current_thread().name)
            while not self.stopping.wait(chance.expovariate(1 / self.pause_s)):
                self._one_transaction(connection, chance)
        finally:
            connection.close()

    def _one_transaction(self, connection, chance):
        act = chance.choices([function for _, function in self.acts], [weight for weight, _ in self.acts])[0]
        try:
            with connection.cursor() as cursor:
                act(self, cursor, chance)
            connection.commit()
            self.committed += 1
        except (psycopg2.errors.UniqueViolation, psycopg2.errors.DeadlockDetected,
                psycopg2.errors.SerializationFailure, psycopg2.errors.LockNotAvailable):
            connection.rollback()
        except psycopg2.Error as error:
            connection.rollback()
            if error.pgcode != NOT_AT_HOME:
                raise
            self.refused += 1

    def new_key(self):
        with self.lock:
            self.next_key += 1
            return self.next_key

    def any_key(self, chance):
        """Mostly the rows of the beginning, some of those added since, with a few hot ones."""
        if chance.random() < 0.1:
            return chance.randint(1, 5)
        if chance.random() < 0.3 and self.next_key > self.rows * 10:
            return chance.randint(self.rows * 10 + 1, self.next_key)
        return chance.randint(1, self.rows)


def insert_customer(work, cursor, chance):
    key = work.new_key()
    note = chance.choice([None, "", "short", "x" * 3000 + str(key)])
    cursor.execute("INSERT INTO customers VALUES (%s, %s, %s, %s, %s, now(), %s)",
                   (key, f"new{key}@example.org", f"Ünï {key}", chance.choice("SGP"), chance.choice([None, "1.25", "-7.5"]), note))


def update_customer(work, cursor, chance):
    """Leaves a large note alone, so that the log does not carry it."""
    cursor.execute("UPDATE customers SET tier = %s, credit = coalesce(credit, 0) + 0.25 WHERE customer_id = %s",
                   (chance.choice("SGP"), work.any_key(chance)))


def update_note(work, cursor, chance):
    key = work.any_key(chance)
    cursor.execute("UPDATE customers SET note = %s WHERE customer_id = %s",
                   (chance.choice([None, "n", "y" * chance.randint(2500, 9000)]), key))


def update_many(work, cursor, chance):
    low = work.any_key(chance)
    cursor.execute("UPDATE orders SET amount = amount + 1 WHERE order_id BETWEEN %s AND %s", (low, low + 100))


def delete_customer(work, cursor, chance):
    cursor.execute("DELETE FROM customers WHERE customer_id = %s", (work.any_key(chance),))


def delete_and_insert_again(work, cursor, chance):
    key = work.any_key(chance)
    cursor.execute("DELETE FROM orders WHERE order_id = %s", (key,))
    if chance.random() < 0.5:
        cursor.connection.commit()
    cursor.execute("INSERT INTO orders VALUES (%s, %s, 9.99, 'O', now(), NULL) ON CONFLICT DO NOTHING", (key, key))


def change_key(work, cursor, chance):
    cursor.execute("UPDATE customers SET customer_id = %s WHERE customer_id = %s", (work.new_key(), work.any_key(chance)))


def change_key_of_line(work, cursor, chance):
    cursor.execute("UPDATE order_lines SET line_no = line_no + 10 WHERE order_id = %s", (work.any_key(chance),))


def swap_emails(work, cursor, chance):
    """A unique value changes hands within one transaction."""
    first, second = sorted(chance.sample(range(1, work.rows + 1), 2))
    cursor.execute("SELECT customer_id, email FROM customers WHERE customer_id IN (%s, %s) ORDER BY 1 FOR UPDATE",
                   (first, second))
    found = cursor.fetchall()
    if len(found) == 2:
        cursor.execute("UPDATE customers SET email = %s WHERE customer_id = %s", (f"parked{first}", first))
        cursor.execute("UPDATE customers SET email = %s WHERE customer_id = %s", (found[0][1], second))
        cursor.execute("UPDATE customers SET email = %s WHERE customer_id = %s", (found[1][1], first))


def hand_over_email(work, cursor, chance):
    """A unique value is given up by one transaction and taken by the next."""
    giver, taker = work.any_key(chance), work.any_key(chance)
    cursor.execute("SELECT email FROM customers WHERE customer_id = %s", (giver,))
    found = cursor.fetchone()
    if found and giver != taker:
        cursor.execute("UPDATE customers SET email = %s WHERE customer_id = %s AND email = %s",
                       (f"gone{work.new_key()}@example.org", giver, found[0]))
        cursor.connection.commit()
        cursor.execute("UPDATE customers SET email = %s WHERE customer_id = %s", (found[0], taker))


def place_order(work, cursor, chance):
    """One transaction over three tables, part of which is taken back."""
    customer, order = work.any_key(chance), work.new_key()
    cursor.execute("UPDATE customers SET credit = coalesce(credit, 0) - 1 WHERE customer_id = %s", (customer,))
    cursor.execute("INSERT INTO orders VALUES (%s, %s, %s, 'O', now(), %s)",
                   (order, customer, chance.randint(1, 9999) / 4, '{"via": "web"}'))
    for line in range(chance.randint(1, 4)):
        cursor.execute("INSERT INTO order_lines VALUES (%s, %s, %s, 'sku', 1)", (order, line, customer))
    cursor.execute("SAVEPOINT before_regret")
    cursor.execute("DELETE FROM order_lines WHERE order_id = %s", (order,))
    if chance.random() < 0.7:
        cursor.execute("ROLLBACK TO SAVEPOINT before_regret")


def think_again(work, cursor, chance):
    cursor.execute("UPDATE orders SET state = 'X' WHERE order_id = %s", (work.any_key(chance),))
    cursor.connection.rollback()


def prepare(work, cursor, chance):
    name = f"{threading.current_thread().name} {work.new_key()}"
    cursor.execute("UPDATE orders SET state = 'P' WHERE order_id = %s", (work.any_key(chance),))
    cursor.execute("PREPARE TRANSACTION %s", (name,))
    cursor.connection.commit()
    cursor.connection.autocommit = True
    try:
        cursor.execute("COMMIT PREPARED %s" if chance.random() < 0.8 else "ROLLBACK PREPARED %s", (name,))
    finally:
        cursor.connection.autocommit = False


def visit(work, cursor, chance):
    cursor.execute("INSERT INTO visits SELECT %s * 1000 + i, i, '/cart' FROM generate_series(1, %s) AS i",
                   (work.new_key(), chance.randint(1, 50)))


def truncate_visits(work, cursor, chance):
    cursor.execute("SET LOCAL lock_timeout = '1s'; TRUNCATE visits")


ACTS = [(20, insert_customer), (20, update_customer), (10, update_note), (3, update_many), (6, delete_customer),
        (6, delete_and_insert_again), (5, change_key), (3, change_key_of_line), (6, swap_emails), (6, hand_over_email),
        (15, place_order), (3, think_again), (2, prepare), (4, visit), (0.3, truncate_visits)]


def settle_prepared(url, owner=""):
    """Rolls back what a lost connection left prepared, as the application's recovery does."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, %s)",
                       (f"{owner} " if owner else "",))
        for (name,) in cursor.fetchall():
            cursor.execute("ROLLBACK PREPARED %s", (name,))
    connection.close()
