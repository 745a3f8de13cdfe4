"""A client that has written reads what it wrote, also where another side answers the read. The services read and write real
rows; how far the stream has come is decided by a lock on the rows that it writes."""

import contextlib
import json
import re
import subprocess
import time

import psycopg2
import pytest

from cluster import execute, free_port
from migration import Migration
from scripted_service import RawClient, ScriptedService, json_answer

SPEC = """\
migration: notes
owners: {{ legacy: a, new: b, coexistence: c }}
systems:
  legacy: {{ database: "{legacy}", service: "{legacy_service}" }}
  new: {{ database: "{new}", service: "{new_service}" }}
entities:
  note:
    key: id
    tables: [ {{ legacy: public.notes, new: public.notes }} ]
    cohorts: [ {{ name: pilot, keys: [ "1" ] }}, {{ name: rest }} ]
    reads: {{ bulk: mirrored, historical: fully-cutover }}
    routes:
      - {{ route: "GET /notes/{{id}}", read: bulk, shadow: off }}
      - {{ route: "GET /archive/{{id}}", read: historical, shadow: off }}
      - {{ route: "PUT /notes/{{id}}", write: true, operation_key: [ path.id ] }}
gateway:
  listen: [ "127.0.0.1:{port}" ]
  state_headers: true
  access_log: access.log
{rule}
"""
COOKIE = "  read_your_writes: { cookie: seen, wait: 50ms }"
PATIENT = "  read_your_writes: { cookie: seen, wait: 10s }"
HEADER = "  read_your_writes: { header: X-Seen }"


def notes_in(url, fields):
    def answer(request, connection):
        key = int(request.target.rsplit("/", 1)[1])
        if request.method == "PUT":
            execute(url, f"UPDATE notes SET text = '{request.body.decode()}' WHERE id = {key}")
        return json_answer(json.dumps({"text": execute(url, f"SELECT text FROM notes WHERE id = {key}")[0][0]}),
                           fields=fields)
    return answer


class Notes(Migration):
    """Each client that a test names keeps its cookie or its header as a browser or a library would."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seen = {}

    def request(self, client, method, target, body=""):
        kept = self.seen.get(client, "")
        with RawClient(self.port) as connection:
            answer = connection.send(f"{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n{kept}\r\n{body}"
                                     .encode()).answer()
        assert answer.status == 200, answer.body
        if answer.field("Set-Cookie"):
            self.seen[client] = f"Cookie: {answer.field('Set-Cookie').split(';')[0]}\r\n"
        if answer.field("X-Seen"):
            self.seen[client] = f"X-Seen: {answer.field('X-Seen')}\r\n"
        return json.loads(answer.body)["text"], answer.field("X-Oxbow-Side")

    def write(self, client, text, key=1):
        return self.request(client, "PUT", f"/notes/{key}", text)

    def read(self, client, target="/notes/1"):
        return self.request(client, "GET", target)

    def reasons(self):
        with open(f"{self.directory}/access.log", encoding="utf-8") as file:
            return [json.loads(line)["reason"] for line in file]


@pytest.fixture
def make_notes(tmp_path, databases):
    opened = []

    def make(rule=COOKIE, fields=""):
        for url in (databases.legacy, databases.new):
            execute(url, "CREATE TABLE notes (id bigint PRIMARY KEY, text text)")
        execute(databases.legacy, "INSERT INTO notes VALUES (1, 'old'), (2, 'old')")
        services = [ScriptedService(notes_in(url, fields)) for url in (databases.legacy, databases.new)]
        opened.extend(services)
        port = free_port()
        text = SPEC.format(legacy=databases.legacy, new=databases.new, legacy_service=services[0].url,
                           new_service=services[1].url, port=port, rule=rule)
        notes = Notes(tmp_path, text, databases.legacy, databases.new, [])
        notes.port = port
        opened.append(notes)
        notes.up().advance("note")
        notes.wait_until_backfilled()
        notes.prove_equal()
        notes.wait_until(lambda: notes.read("nobody") == ("old", "new"), 10, "bulk reads have moved")
        return notes

    yield make
    for each in reversed(opened):
        each.__exit__(None, None, None)


@contextlib.contextmanager
def stream_held_up(url):
    """Nothing more can be written into this side's rows; they can be read."""
    connection = psycopg2.connect(url)
    connection.cursor().execute("SELECT * FROM notes FOR SHARE")
    yield
    connection.rollback()
    connection.close()


def test_a_client_reads_its_write_from_legacy_until_the_stream_has_brought_it(make_notes):
    notes = make_notes()
    with stream_held_up(notes.new):
        assert notes.write("ada", "mine") == ("mine", "legacy")
        assert notes.read("ada") == ("mine", "legacy")
        notes.wait_until(lambda: "own-writes" in notes.reasons(), 10, "the access log says why")
        assert notes.read("bob") == ("old", "new"), "who has seen nothing may read what the other side has"
    notes.wait_until(lambda: notes.read("ada") == ("mine", "new"), 10, "the stream has brought it")


def test_without_the_rule_a_client_may_read_what_was_before_its_write(make_notes):
    notes = make_notes(rule="")
    with stream_held_up(notes.new):
        notes.write("ada", "mine")
        assert "ada" not in notes.seen, "nobody gets a cookie that the spec does not ask for"
        assert notes.read("ada") == ("old", "new")


def test_who_has_read_from_the_authority_reads_nothing_older_elsewhere(make_notes):
    notes = make_notes()
    with stream_held_up(notes.new):
        execute(notes.legacy, "UPDATE notes SET text = 'theirs' WHERE id = 1")
        assert notes.read("ada", "/archive/1") == ("theirs", "legacy")
        assert notes.read("ada") == ("theirs", "legacy")


def test_a_read_waits_for_the_stream_as_long_as_the_spec_says_and_the_stream_makes_haste(make_notes):
    notes = make_notes(rule=PATIENT)
    waited = 0
    for number in range(20):
        notes.write("ada", f"text {number}")
        began = time.monotonic()
        assert notes.read("ada") == (f"text {number}", "new")
        waited += time.monotonic() - began
    assert waited < 5, "each has waited for the beat of every second"


def test_the_way_back_is_waited_for_as_well(make_notes):
    notes = make_notes()
    notes.hand_over("advance", "note", "pilot", "new-write")
    with stream_held_up(notes.legacy):
        assert notes.write("ada", "on the new side") == ("on the new side", "new")
        assert notes.read("ada", "/archive/1") == ("on the new side", "new")
        assert notes.read("bob", "/archive/1") == ("old", "legacy")
    notes.wait_until(lambda: notes.read("ada", "/archive/1") == ("on the new side", "legacy"), 10, "it has come back")


def test_a_write_of_before_the_switch_is_read_behind_it(make_notes):
    notes = make_notes()
    notes.write("ada", "mine")
    notes.hand_over("advance", "note", "pilot", "new-write")
    assert notes.read("ada") == ("mine", "new")
    assert notes.read("ada", "/archive/1")[0] == "mine"


def test_what_a_client_saw_before_a_restart_holds_behind_it(make_notes):
    notes = make_notes()
    with stream_held_up(notes.new):
        notes.write("ada", "mine")
        notes.kill()
        notes.up()
        assert notes.read("ada") == ("mine", "legacy")
    notes.wait_until(lambda: notes.read("ada") == ("mine", "new"), 10, "the stream has brought it")


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_cookies_of_the_service_stand_beside_it(make_notes, version):
    notes = make_notes(fields="Set-Cookie: session=abc; HttpOnly\r\nSet-Cookie: csrf=def\r\n")
    shown = subprocess.run(["curl", "-s", "-S", "-i", version, f"http://127.0.0.1:{notes.port}/archive/1"], check=True,
                           capture_output=True, text=True, timeout=60).stdout
    assert re.findall("(?im)^set-cookie: ([a-z]+)=", shown) == ["session", "csrf", "seen"]


def test_a_header_can_carry_it_as_well_and_a_made_up_one_harms_nobody(make_notes):
    notes = make_notes(rule=HEADER)
    with stream_held_up(notes.new):
        notes.write("ada", "mine")
        assert notes.read("ada") == ("mine", "legacy")
        for made_up in ("nonsense", "l.n", "l0.n0", "l18446744073709551615.n18446744073709551615"):
            notes.seen["eve"] = f"X-Seen: {made_up}\r\n"
            assert notes.read("eve")[0] in ("old", "mine")
