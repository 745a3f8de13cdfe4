"""Commands that were told something odd by the oxbow that they ask."""

import contextlib
import json
import os
import socket
import threading

from migration import Migration

SPEC = """
migration: shop
owners: { legacy: a, new: b, coexistence: c }
systems:
  legacy: { database: "postgresql://nobody@127.0.0.1:1/a" }
  new: { database: "postgresql://nobody@127.0.0.1:1/b" }
entities:
  customer:
    key: customer_id
    tables: [ { legacy: customers, new: shop.customer } ]
"""


@contextlib.contextmanager
def dying_oxbow(migration):
    """Ends amid the first question."""
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(os.path.join(migration.directory, "oxbow.sock"))
        dying.listen()

        def die_amid_a_question():
            asked, _ = dying.accept()
            asked.recv(1)
            dying.close()
            asked.close()

        thread = threading.Thread(target=die_amid_a_question)
        thread.start()
        yield
        thread.join()


def test_who_asks_an_oxbow_that_dies_meanwhile_hears_that_none_runs(tmp_path):
    migration = Migration(tmp_path, SPEC, None, None, [])
    with dying_oxbow(migration):
        told = migration.oxbow("status", "--json", check=False)
    assert json.loads(told.stdout)["error"]["code"] == "not_running", told.stdout
    assert told.returncode == 43


def test_who_gives_an_order_to_an_oxbow_that_dies_meanwhile_hears_it_too(tmp_path):
    migration = Migration(tmp_path, SPEC, None, None, [])
    with dying_oxbow(migration):
        told = migration.oxbow("halt", check=False)
    assert told.returncode == 43 and "before it answered" in told.stderr, told.stderr
