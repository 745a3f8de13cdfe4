"""Keys that a column of text tells apart ("007" and "7"), while nobody follows the database that says so."""

import pytest

from cluster import execute, free_port
from scripted_service import ScriptedService
from test_shadows_regress import SPEC, Gateway, answering


@pytest.fixture
def moved(tmp_path, databases):
    """007 is at home on the new side, and oxbow was started again since."""
    for url in (databases.legacy, databases.new):
        execute(url, "CREATE TABLE payments (payment_id text PRIMARY KEY, note text)")
    execute(databases.legacy, "INSERT INTO payments SELECT lpad(i::text, 3, '0'), 'x' FROM generate_series(1, 20) AS i")
    with ScriptedService(answering("{}")) as legacy, ScriptedService(answering("{}")) as new:
        port = free_port()
        text = SPEC.format(legacy=databases.legacy, new=databases.new, legacy_service=legacy.url, new_service=new.url,
                           port=port, recheck="50ms", requests=2000).replace('"4711"', '"007"')
        with Gateway(tmp_path, text, databases.legacy, databases.new, []) as gateway:
            gateway.port, gateway.text = port, text
            gateway.up().oxbow("advance", "payment", "--to", "mirrored", "--wait")
            gateway.prove_equal("--entity", "payment")
            gateway.hand_over("advance", "payment", "pilot", "new-write")
            gateway.kill()
            gateway.up()
            yield gateway


def side_of_a_write(gateway):
    with gateway.connect() as client:
        return client.send(b"PUT /payments/007 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").answer().field("X-Oxbow-Side")


def test_requests_go_to_the_home_of_their_key_in_a_halt_too(moved):
    moved.wait_until(lambda: moved.status()["stream"]["phase"] == "running", 30, "the stream follows")
    assert side_of_a_write(moved) == "new"
    moved.oxbow("halt", "--why", "to look at it")
    moved.wait_until(lambda: moved.status()["stream"]["phase"] == "stopped", 20, "no stream runs")
    moved.oxbow("status")
    assert [side_of_a_write(moved) for _ in range(10)] == ["new"] * 10
