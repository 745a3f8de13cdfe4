"""Errors of the gateway over two mirrored databases that were found and mended."""

import contextlib
import json
import math
import random
import threading
import time
import urllib.parse

import pytest

from cluster import execute, free_port
from http_by_socket import get_json
from migration import Migration
from scripted_service import RawClient, ScriptedService, json_answer

SPEC = """\
migration: payments
owners: {{ legacy: a, new: b, coexistence: c }}
systems:
  legacy: {{ database: "{legacy}", service: "{legacy_service}" }}
  new: {{ database: "{new}", service: "{new_service}" }}
entities:
  payment:
    key: payment_id
    tables: [ {{ legacy: public.payments, new: public.payments }} ]
    cohorts: [ {{ name: pilot, keys: [ "4711" ] }}, {{ name: rest }} ]
    reads: {{ latency: new-read }}
    routes:
      - {{ route: "GET /payments/{{payment_id}}", read: latency, recheck_after: {recheck} }}
      - {{ route: "POST /payments/{{payment_id}}/search", read: latency }}
      - {{ route: "POST /payments", write: true, key: body.payment_id, operation_key: [ body.payment_id ] }}
      - {{ route: "PUT /payments/{{payment_id}}", write: true, operation_key: [ path.payment_id ] }}
gateway:
  listen: [ "127.0.0.1:{port}" ]
  state_headers: true
  access_log: access.log
  health: {{ failures: 2 }}
  shadow: {{ twin: 30%, time: 1s }}
  limits: {{ requests: {requests} }}
"""
READ = "GET /payments/{payment_id}"
SEARCH = "POST /payments/{payment_id}/search"


class Gateway(Migration):
    def connect(self):
        return RawClient(self.port)

    def get(self, target="/payments/4711", fields=""):
        with self.connect() as client:
            return client.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode()).answer()

    def api(self, what, **query):
        return get_json(f"{self.directory}/oxbow.sock", f"/v1/{what}?{urllib.parse.urlencode(query)}")

    def wait_for(self, fact, what, text=READ):
        def seen():
            route = next((route for route in self.api("traffic")["routes"] if route["route"] == text), None)
            return route if route and fact(route) else None
        self.wait_until(seen, 20, what)
        return seen()


@pytest.fixture
def make_gateway(tmp_path, databases):
    opened = []

    def make(legacy_answer, new_answer, recheck="50ms", requests=2000):
        for url in (databases.legacy, databases.new):
            execute(url, "CREATE TABLE payments (payment_id bigint PRIMARY KEY, note text)")
        legacy, new = ScriptedService(legacy_answer), ScriptedService(new_answer)
        opened.extend((legacy, new))
        port = free_port()
        text = SPEC.format(legacy=databases.legacy, new=databases.new, legacy_service=legacy.url, new_service=new.url,
                           port=port, recheck=recheck, requests=requests)
        gateway = Gateway(tmp_path, text, databases.legacy, databases.new, [])
        gateway.port, gateway.legacy_service, gateway.new_service, gateway.text = port, legacy, new, text
        opened.append(gateway)
        gateway.up()
        for cohort in ("pilot", "rest"):
            gateway.oxbow("advance", "payment", "--cohort", cohort, "--to", "mirrored", "--wait")
        return gateway

    yield make
    for each in reversed(opened):
        each.__exit__(None, None, None)


def answering(text):
    return lambda request, connection: json_answer(text)


def test_a_request_that_was_begun_under_an_earlier_spec_is_decided_by_the_state_of_now(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"))
    body = b'{"note": "a", "payment_id": 4711}'
    with gateway.connect() as client:
        client.send(b"POST /payments HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body[:10]))
        gateway.wait_until(lambda: gateway.get().status == 200, 5, "the head was read")
        gateway.write_spec(gateway.text.replace("recheck_after: 50ms", "recheck_after: 60ms"))
        gateway.wait_until(lambda: "the changed spec are in force" in gateway.log(), 5, "the new spec is in force")
        gateway.oxbow("rollback", "payment", "--cohort", "pilot", "--to", "legacy")
        assert client.send(body[10:]).answer().field("X-Oxbow-State") == "legacy"


def test_a_request_whose_body_comes_behind_a_rollback_is_decided_behind_it(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"))
    with gateway.connect() as client:
        client.send(b"PUT /payments/4711 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n")
        gateway.wait_until(lambda: gateway.get().status == 200, 5, "the head was read")
        gateway.oxbow("rollback", "payment", "--cohort", "pilot", "--to", "legacy")
        assert client.send(b"{}").answer().field("X-Oxbow-State") == "legacy"


def test_what_a_client_knows_of_one_side_is_no_difference_between_the_sides(make_gateway):
    """Each side names its versions in its own way, so that only the one that has named it calls it unchanged."""
    def side(version):
        def answer(request, connection):
            if request.field("If-None-Match") == version:
                return b"HTTP/1.1 304 Not Modified\r\nETag: %s\r\n\r\n" % version.encode()
            return json_answer('{"id": 4711}', fields=f"ETag: {version}\r\n")
        return answer

    gateway = make_gateway(side('"old"'), side('"new"'))
    assert gateway.get(fields='If-None-Match: "old"\r\n').status == 304
    route = gateway.wait_for(lambda route: route["eligible"] == 1, "the unchanged one is counted")
    assert route["compared"] == 0 and route["skipped"] == {"conditional": 1}
    assert gateway.get(fields='If-None-Match: "older"\r\n').status == 200
    assert gateway.get(fields='If-None-Match: "new"\r\n').status == 200
    route = gateway.wait_for(lambda route: route["eligible"] == 3, "the others are compared")
    assert route["compared"] == 2 and route["divergence"]["differed_first"] == 0


def test_a_shadow_on_a_kept_connection_that_has_ended_is_asked_anew(make_gateway):
    """The new side takes one request of each connection, and does not say so."""
    served = set()

    def answer(request, connection):
        if connection in served:
            return None
        served.add(connection)
        return json_answer("{}")

    gateway = make_gateway(answering("{}"), answer)
    for number in range(6):
        gateway.get()
        route = gateway.wait_for(lambda route: route["eligible"] > number, "one more is counted")
    assert route["compared"] == 6 and not route["skipped"]


def test_an_answer_without_a_body_is_no_proof_of_equal_bodies(make_gateway):
    """HEAD takes the route of its GET, whose fields it cannot show."""
    def side(value):
        text = '{"a": %d}' % value
        return lambda request, connection: (json_answer(text) if request.method == "GET" else
                                            json_answer(text)[:-len(text)])

    gateway = make_gateway(side(1), side(2))
    with gateway.connect() as client:
        assert client.send(b"HEAD /payments/4711 HTTP/1.1\r\nHost: h\r\n\r\n").answer("HEAD").status == 200
    route = gateway.wait_for(lambda route: route["eligible"] == 1, "it is counted")
    assert route["compared"] == 0 and route["skipped"] == {"no_body": 1}


def test_an_answer_without_an_end_is_not_compared(make_gateway):
    """Server-sent events end when somebody leaves, and no two streams of them are alike."""
    def events(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"9\r\ndata: 1\n\n\r\n0\r\n\r\n")

    gateway = make_gateway(events, lambda request, connection: json_answer("{}"))
    assert gateway.get("/payments/4711").body == b"data: 1\n\n"
    route = gateway.wait_for(lambda route: route["eligible"] == 1, "it is counted")
    assert route["compared"] == 0 and route["skipped"] == {"type": 1}


def test_a_request_that_upgrades_is_counted_as_not_compared(make_gateway):
    def tunnel(request, connection):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")

    gateway = make_gateway(tunnel, answering("{}"))
    assert gateway.get(fields="Connection: Upgrade\r\nUpgrade: websocket\r\n").status == 101
    route = gateway.wait_for(lambda route: route["eligible"] == 1, "it is counted")
    assert route["compared"] == 0 and route["skipped"] == {"upgraded": 1}


def test_a_request_that_was_answered_before_all_of_it_came_is_not_shown_in_part(make_gateway):
    """The other side would be asked for something else, and so would answer something else."""
    gateway = make_gateway(answering("{}"), answering("{}"))
    gateway.legacy_service.reads_body = False
    with gateway.connect() as client:
        client.send(b"POST /payments/4711/search HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n1234")
        assert client.answer().status == 200
    route = gateway.wait_for(lambda route: route["eligible"] == 1, "it is counted", SEARCH)
    assert route["compared"] == 0 and route["skipped"] == {"early_answer": 1}
    assert not gateway.new_service.requests


def test_differences_that_are_not_told_are_counted(make_gateway):
    """Of one pair, 32 signatures are told; that more of it differs must not be silent."""
    def side(value):
        text = json.dumps({f"field_{number}": value for number in range(40)})
        return lambda request, connection: json_answer(text)

    gateway = make_gateway(side(1), side(2))
    gateway.get()
    gateway.wait_for(lambda route: route["compared"] == 1, "the pair was compared")
    assert gateway.api("differences")["differences_without_room"] == 8


def test_a_side_that_fails_at_first_has_failed(make_gateway):
    """At the second look it is well again, which takes neither its failure nor the time of the first look away."""
    asked = []

    def answer(request, connection):
        asked.append(request)
        return json_answer("{}", "500 Sick" if len(asked) == 1 else "200 OK")

    gateway = make_gateway(answering("{}"), answer)
    gateway.get()
    route = gateway.wait_for(lambda route: route["compared"] == 1, "the pair is compared")
    assert route["divergence"] == {"compared": 1, "differed_first": 1, "rechecked": 1, "differed_after_recheck": 0, "differed": 0}
    assert route["errors"]["only_new_failed"] == 1 and route["latency"]["pairs"] == 1


def test_a_side_that_gives_no_answer_has_failed(make_gateway):
    """It tells as much of the side as one that says 500, although there is nothing to compare."""
    gateway = make_gateway(answering("{}"), lambda request, connection: None)
    gateway.get()
    route = gateway.wait_for(lambda route: route["eligible"] == 1, "it is counted")
    assert route["skipped"] == {"broken_off": 1} and route["compared"] == 0
    assert route["errors"]["only_new_failed"] == 1 and route["errors"]["both_ok"] == 0


def test_a_second_look_is_a_second_look_at_the_twin_too(make_gateway):
    """Legacy's data lag behind at the first look and at its twin, as those of one moment; at the second, all are equal."""
    began = {}

    def answer(request, connection):
        late = time.monotonic() - began.setdefault(request.target, time.monotonic()) > 0.2
        return json_answer('{"a": 2}' if late else '{"a": 1}')

    def new_answer(request, connection):
        return json_answer('{"a": 3}' if request.target.endswith("?n=0") else '{"a": 2}')

    gateway = make_gateway(answer, new_answer, recheck="300ms")
    with gateway.connect() as client:
        for number in range(60):
            client.send(b"GET /payments/4711?n=%d HTTP/1.1\r\nHost: h\r\n\r\n" % number).answer()
    route = gateway.wait_for(lambda route: route["compared"] == 60, "all pairs are compared")
    assert route["divergence"]["differed_after_recheck"] == 1
    verdict = gateway.api("differences")["clusters"][0]["verdict"]
    assert verdict["twins"] > 0 and (verdict["differed"], verdict["twin_differed"]) == (1, 0)


def test_a_side_that_only_hangs_is_left_alone(make_gateway):
    """Each shadow that it keeps waiting holds a connection and a copy of an answer."""
    stop = threading.Event()

    def hang(request, connection):
        stop.wait(30)

    gateway = make_gateway(answering("{}"), hang)
    gateway.wait_until(lambda: gateway.get().status == 200 and "shadows leave it alone" in gateway.log(), 20, "it is left alone")
    stop.set()


def test_a_service_that_fails_is_a_finding_of_its_owner_until_it_answers(make_gateway):
    down = threading.Event()
    down.set()
    gateway = make_gateway(answering("{}"), lambda request, connection: None if down.is_set() else json_answer("{}"))
    gateway.wait_until(lambda: gateway.get().status == 200 and gateway.findings("service-failing"), 20, "there is a finding")
    [finding] = gateway.findings("service-failing")
    assert finding["owner"] == "b" and gateway.new_service.url in finding["key"]
    assert "requests to it are not compared" in finding["sentence"]
    down.clear()
    gateway.wait_until(lambda: gateway.get().status == 200 and not gateway.findings("service-failing"), 20, "it is closed")


def test_a_service_that_failed_before_a_restart_is_no_finding_behind_it(make_gateway):
    gateway = make_gateway(answering("{}"), lambda request, connection: None)
    gateway.wait_until(lambda: gateway.get().status == 200 and gateway.findings("service-failing"), 20, "there is a finding")
    gateway.stop()
    gateway.up()
    gateway.wait_until(lambda: not gateway.findings("service-failing"), 10, "nobody knows of a failure")


def test_a_spec_that_is_not_in_force_is_not_explained_as_if_it_were(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"))
    explained = lambda: gateway.oxbow("route", "GET /payments/4711").stdout
    assert "NOT in force" not in explained()
    gateway.write_spec(gateway.text.replace("recheck_after: 50ms", "recheck_after: 60ms"))
    gateway.wait_until(lambda: "the changed spec are in force" in gateway.log(), 5, "the changed spec is in force")
    assert "NOT in force" not in explained(), "what was taken over is in force"
    gateway.write_spec(gateway.text.replace('keys: [ "4711" ]', 'keys: [ "4712" ]'))
    gateway.wait_until(lambda: gateway.findings("spec-not-taken"), 5, "the other spec is refused")
    assert "spec: " in explained() and "is NOT in force" in explained()
    assert json.loads(gateway.oxbow("--json", "route", "GET /payments/4711").stdout)["in_force"] is False


def test_an_edit_that_moves_users_at_once_says_so(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"))
    gateway.oxbow("verify")
    assert gateway.get().field("X-Oxbow-Side") == "legacy"
    gateway.write_spec(gateway.text.replace("latency: new-read", "latency: mirrored"))
    gateway.wait_until(lambda: gateway.get().field("X-Oxbow-Side") == "new", 10, "users have moved")
    assert ("the changed spec moves users: GET /payments/{payment_id} of payment/pilot is answered by new from now on, "
            "and was by legacy") in gateway.log()
    assert "payment/rest is answered by new" in gateway.log() and "PUT" not in gateway.log().split("moves users", 1)[1]


def test_an_upgraded_connection_goes_where_the_writes_go(make_gateway):
    """What is said on it may be a write, and nobody looks."""
    def tunnel(request, connection):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")

    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    legacy = lambda request, connection: tunnel(request, connection) if request.field("Upgrade") else json_answer("{}")
    gateway = make_gateway(legacy, answering("{}"))
    gateway.oxbow("verify")
    gateway.write_spec(gateway.text.replace("latency: new-read", "latency: mirrored"))
    gateway.wait_until(lambda: gateway.get().field("X-Oxbow-Side") == "new", 10, "reads have moved")
    assert gateway.get(fields=upgrade).status == 101
    explained = gateway.oxbow("route", "GET /payments/4711", "--header", "Connection: Upgrade", "--header", "Upgrade: websocket")
    assert "answers: legacy; it accepts the writes in this state" in explained.stdout
    assert "shadow: none; the connection is upgraded" in explained.stdout


def test_requests_of_a_difference_are_counted_anew_behind_an_order(make_gateway):
    gateway = make_gateway(answering('{"a": 1}'), answering('{"a": 2}'), recheck="0ms")
    for _ in range(5):
        gateway.get()
    gateway.wait_for(lambda route: route["compared"] == 5, "five are compared")
    gateway.oxbow("diff", "--anew", "--why", "mended")
    gateway.get()
    gateway.wait_for(lambda route: route["compared"] == 1, "one is compared")
    [cluster] = gateway.api("differences")["clusters"]
    assert cluster["count"] == 1
    example = gateway.api("differences", cluster=cluster["id"])["clusters"][0]
    assert len(example["exemplars"]) == 4


def change_spec(gateway, before, after):
    taken = gateway.log().count("the changed spec are in force")
    gateway.write_spec(gateway.text.replace(before, after))
    gateway.wait_until(lambda: gateway.log().count("the changed spec are in force") > taken, 5, "the changed spec is in force")


def with_route(gateway, more):
    change_spec(gateway, "recheck_after: 0ms", f"recheck_after: 0ms, {more}")


def redirecting(location, cookie):
    return lambda request, connection: (f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nSet-Cookie: {cookie}\r\nETag: 7\r\n"
                                        "Content-Length: 0\r\n\r\n").encode()


def test_two_answers_that_send_users_elsewhere_are_not_equal(make_gateway):
    gateway = make_gateway(redirecting("/legacy?by=me&token=s3cr3t", "lang=de; Path=/"),
                           redirecting("/new?by=me&token=s3cr3t", "lang=fr"), recheck="0ms")
    gateway.get()
    gateway.wait_for(lambda route: route["compared"] == 1, "one is compared")
    [cluster] = gateway.api("differences")["clusters"]
    assert (cluster["path"], cluster["kind"]) == ("header.location", "header")
    with_route(gateway, "compare_headers: [ Set-Cookie, ETag ], redact: [ query.by ]")
    gateway.get()
    gateway.wait_for(lambda route: route["compared"] == 1, "the route began anew")
    clusters = gateway.api("differences")["clusters"]
    assert {cluster["path"] for cluster in clusters} == {"header.location", "header.set-cookie.lang", "header.set-cookie.lang;path"}
    told = "".join(gateway.oxbow("diff", cluster["id"]).stdout for cluster in clusters)
    assert "/legacy?by=[redacted]&token=[redacted]" in told and "me&" not in told and "s3cr3t" not in told and '"fr"' not in told


def test_a_field_that_the_route_ignores_does_not_differ(make_gateway):
    gateway = make_gateway(redirecting("/legacy", "lang=de"), redirecting("/new", "lang=fr"), recheck="0ms")
    with_route(gateway, "compare: [ { ignore_header: Location } ]")
    gateway.get()
    assert gateway.wait_for(lambda route: route["compared"] == 1, "one is compared")["divergence"]["differed"] == 0


def test_a_frequent_difference_shows_although_every_request_brings_rare_ones(make_gateway):
    """There is room for 64 differences of a route, and 100 came before it."""
    def side(value, name):
        def answer(request, connection):
            number = int(request.target.split("?n=")[1])
            return json_answer(json.dumps({"by_user": {f"usr_{name}{number}": 1}, "real": value if number >= 100 else "A"}))
        return answer

    gateway = make_gateway(side("A", "x"), side("B", "y"), recheck="0ms")
    with gateway.connect() as client:
        for number in range(200):
            client.send(b"GET /payments/4711?n=%d HTTP/1.1\r\nHost: h\r\n\r\n" % number).answer()
            gateway.wait_for(lambda route: route["compared"] > number, "it is compared") if number % 20 == 0 else None
    gateway.wait_for(lambda route: route["compared"] == 200, "all are compared")
    found = gateway.api("differences", limit=1)
    assert (found["clusters"][0]["path"], found["clusters"][0]["count"]) == ("$.real", 98), "it came in with its third request"
    assert found["differences_without_room"] == 500 - 98 - 63 == 339 and found["clusters_gone"] == 1
    assert "339 differences found no room in a cluster (1 cluster gave way to others)" in gateway.oxbow("diff").stdout
    gateway.oxbow("diff", "--anew", "--why", "mended")
    found = gateway.api("differences")
    assert found["differences_without_room"] == 0 and found["clusters_total"] == 64 and found["differed"] == 0


def test_a_rule_that_is_proposed_is_never_cut_off(make_gateway):
    """A path of 450 bytes, of which two fields share the first 440, and one of 1400."""
    count = iter(range(1_000_000))

    def answer(request, connection):
        short = {"n" * 216: {"m" * 216: {"first": next(count), "second": next(count)}}}
        return json_answer(json.dumps({**short, "x" * 700: {"y" * 700: next(count)}}))

    gateway = make_gateway(answer, answer, recheck="0ms")
    change_spec(gateway, "twin: 30%", "twin: 100%")
    with gateway.connect() as client:
        for number in range(500):
            client.send(b"GET /payments/4711 HTTP/1.1\r\nHost: h\r\n\r\n").answer()
            gateway.wait_for(lambda route: route["eligible"] > number, "it is compared") if number % 20 == 0 else None
    gateway.wait_for(lambda route: route["compared"] >= 400, "most are compared")
    clusters = gateway.api("differences")["clusters"]
    assert len(clusters) == 3 and {cluster["verdict"]["state"] for cluster in clusters} == {"noise"}
    rules = [gateway.oxbow("diff", cluster["id"]).stdout.rsplit("\n  - ", 1)[1].strip() for cluster in clusters]
    assert any("$." + "x" * 700 + "," in rule for rule in rules), "all of the parent, whose path is whole"
    with_route(gateway, f"compare: [ {', '.join(rules)} ]")
    gateway.get()
    assert gateway.wait_for(lambda route: route["compared"] == 1, "the route began anew")["divergence"]["differed"] == 0


def test_nothing_of_a_request_reaches_the_terminal_that_it_would_obey(make_gateway):
    gateway = make_gateway(answering('{"\u009b31m": 1}'), answering('{"\u009b31m": 2}'), recheck="0ms")
    gateway.get("/payments/4711?x=\u009b31m")
    gateway.wait_for(lambda route: route["compared"] == 1, "one is compared")
    [cluster] = gateway.api("differences")["clusters"]
    for shown in (gateway.oxbow("diff").stdout, gateway.oxbow("diff", cluster["id"]).stdout):
        assert "\\x9b31m" in shown and "\u009b" not in shown


def test_a_client_that_is_slow_to_send_makes_no_service_slow(make_gateway):
    def answer(request, connection):
        time.sleep(0.1)
        return json_answer("{}")

    gateway = make_gateway(answer, answering("{}"))
    for _ in range(5):
        with gateway.connect() as client:
            client.send(b"POST /payments/1/search HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabcde")
            time.sleep(0.3)
            assert client.send(b"fghij").answer().status == 200
    route = gateway.wait_for(lambda route: route["compared"] == 5, "all were compared", SEARCH)
    assert 100 <= route["latency"]["legacy"]["p50_ms"] < 250


def busy_for(seconds):
    """What a service does that answers one at a time."""
    def answer(request, connection):
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass
        return json_answer("{}")
    return answer


def read_by_three(gateway, times, pause):
    def read(seed):
        chance = random.Random(seed)
        with gateway.connect() as client:
            for _ in range(times):
                client.send(b"GET /payments/4711 HTTP/1.1\r\nHost: h\r\n\r\n").answer()
                time.sleep(chance.expovariate(1 / pause))
    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    return gateway.wait_for(lambda route: route["eligible"] == 3 * times, "all are counted")["latency"]


def ask_twins_always(gateway):
    gateway.write_spec(gateway.text.replace("twin: 30%", "twin: 100%"))
    gateway.wait_until(lambda: "the changed spec are in force" in gateway.log(), 5, "the spec is in force")


def test_of_two_services_that_are_equally_fast_none_is_called_slower(make_gateway):
    """Shadows are gathered for a moment and asked together, which makes them slower than what users ask one by one."""
    gateway = make_gateway(busy_for(0.002), busy_for(0.002))
    ask_twins_always(gateway)
    latency = read_by_three(gateway, 150, 0.02)
    assert latency["log_e_new_slower"] < math.log(100) and latency["asked_alike"] > 50, latency


def test_a_service_that_is_slower_is_called_so(make_gateway):
    gateway = make_gateway(answering("{}"), busy_for(0.004))
    ask_twins_always(gateway)
    latency = read_by_three(gateway, 50, 0.02)
    assert latency["log_e_new_slower"] > math.log(1000), latency


def test_requests_that_wait_for_one_side_take_no_place_at_the_other(make_gateway):
    go_on = threading.Event()
    hangs = threading.Event()
    gateway = make_gateway(answering("{}"), lambda request, connection: not hangs.is_set() and json_answer("{}")
                           or go_on.wait(20) and json_answer("{}"), requests=2)
    gateway.oxbow("verify")
    gateway.write_spec(gateway.text.replace("latency: new-read", "latency: mirrored"))
    gateway.wait_until(lambda: gateway.get().field("X-Oxbow-Side") == "new", 10, "the new side answers")
    hangs.set()
    with gateway.connect() as one, gateway.connect() as two:
        for each in (one, two):
            each.send(b"GET /payments/4711?waits HTTP/1.1\r\nHost: h\r\n\r\n")
        waiting = lambda: [request for request in gateway.new_service.requests if request.target.endswith("?waits")]
        gateway.wait_until(lambda: len(waiting()) == 2, 5, "both wait for the new side")
        assert gateway.get().status == 503, "which has all that it may have"
        assert gateway.get("/unlisted").status == 200
        go_on.set()
        assert [each.answer().status for each in (one, two)] == [200, 200]


def test_a_hidden_part_of_the_path_stays_hidden_where_the_shadow_has_a_path_of_its_own(make_gateway):
    gateway = make_gateway(answering('{"a": 1}'), answering('{"a": 2}'))
    gateway.write_spec(gateway.text.replace(
        '- { route: "PUT /payments/{payment_id}", write: true, operation_key: [ path.payment_id ] }',
        '- { route: "PUT /payments/{payment_id}", write: true, operation_key: [ path.payment_id ], redact: [ path.payment_id ], '
        'shadow: { percent: 100, path: "/v2/dry-run/{payment_id}" } }'))
    gateway.wait_until(lambda: "the changed spec are in force" in gateway.log(), 5, "the new spec is in force")
    with gateway.connect() as client:
        client.send(b"PUT /payments/31337001 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").answer()
    gateway.wait_until(lambda: gateway.api("differences")["clusters"], 15, "it differs")
    cluster = gateway.api("differences")["clusters"][0]["id"]
    told = json.dumps(gateway.api("differences", cluster=cluster)) + gateway.oxbow("diff", cluster).stdout
    assert "/payments/[redacted]" in told and "31337001" not in told


def test_names_inside_of_a_hidden_value_are_not_kept(make_gateway):
    gateway = make_gateway(answering('{"by_iban": {"DE1": {"n": 1}}}'), answering('{"by_iban": {"DE1": {"n": 2}}}'), recheck="0ms")
    gateway.get()
    gateway.wait_until(lambda: "DE1" in json.dumps(gateway.api("differences")), 15, "so far it is kept")
    gateway.write_spec(gateway.text.replace("recheck_after: 0ms", "recheck_after: 0ms, redact: [ $.by_iban ]"))
    gateway.wait_until(lambda: "DE1" not in json.dumps([gateway.api("differences"), gateway.api("traffic")]), 10, "what a later spec hides goes")
    gateway.get()
    gateway.wait_until(lambda: gateway.api("differences")["clusters"], 15, "it differs again")
    assert gateway.api("differences")["clusters"][0]["path"] == "$.by_iban.*"


def test_at_the_second_look_new_and_twin_are_asked_in_turn(make_gateway):
    asked, lock = {}, threading.Lock()

    def counting(side):
        def answer(request, connection):
            with lock:
                asked.setdefault(request.field("X-N"), []).append(side)
                return json_answer(str(sum(map(len, asked.values()))))
        return answer

    gateway = make_gateway(counting("legacy"), counting("new"))
    gateway.write_spec(gateway.text.replace("twin: 30%", "twin: 100%"))
    gateway.wait_until(lambda: "the changed spec are in force" in gateway.log(), 5, "the new spec is in force")
    for number in range(8):
        gateway.get(fields=f"X-N: {number}\r\n")
        gateway.wait_until(lambda: len(asked[str(number)]) == 6, 10, "both looks were taken")
    assert {order[5] for order in asked.values()} == {"legacy", "new"}, "neither is always the last"


@pytest.mark.parametrize("method, times", [("GET", 1), ("PUT", 2)])
def test_what_writes_is_sent_again_only_where_twice_is_once(make_gateway, method, times):
    """The service takes it, and is gone before it has answered."""
    taken = []

    def legacy(request, connection):
        if request.target.endswith("/pay"):
            taken.append(request.target)
            return None
        return json_answer("{}")

    gateway = make_gateway(legacy, answering("{}"))
    gateway.write_spec(gateway.text.replace('      - { route: "POST /payments",',
                                            f'      - {{ route: "{method} /payments/{{payment_id}}/pay", write: true, '
                                            'operation_key: [ path.payment_id ] }\n      - { route: "POST /payments",'))
    gateway.wait_until(lambda: "the changed spec are in force" in gateway.log(), 5, "the new spec is in force")
    with gateway.connect() as client:
        assert client.send(b"GET /payments/4711 HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200
        assert client.send(f"{method} /payments/4711/pay HTTP/1.1\r\nHost: h\r\n\r\n".encode()).answer().status == 502
    assert len(taken) == times


def test_a_body_that_a_client_breaks_is_logged_for_the_side_that_was_to_answer(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"))
    gateway.oxbow("verify")
    gateway.write_spec(gateway.text.replace("latency: new-read", "latency: mirrored"))
    gateway.wait_until(lambda: gateway.get().field("X-Oxbow-Side") == "new", 10, "users have moved")
    with gateway.connect() as client:
        client.send(b"POST /payments/4711/search HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").answer()

    def logged():
        with open(f"{gateway.directory}/access.log", encoding="utf-8") as file:
            return [line for line in map(json.loads, file) if line["method"] == "POST"]

    gateway.wait_until(logged, 5, "it is logged")
    assert [(line["status"], line["side"]) for line in logged()] == [(400, "new")]


WHOLE = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"new-side"'


def test_a_new_side_that_dies_amid_its_answer_is_never_replaced_by_legacy(make_gateway):
    dies_after = [len(WHOLE)]

    def new(request, connection):
        connection.sendall(WHOLE[:dies_after[0]])
        return b"" if dies_after[0] == len(WHOLE) else None

    gateway = make_gateway(answering('"legacy-x"'), new)
    gateway.oxbow("verify")
    gateway.write_spec(gateway.text.replace("latency: new-read", "latency: mirrored"))
    gateway.wait_until(lambda: gateway.get().field("X-Oxbow-Side") == "new", 10, "users have moved")
    for bytes_sent in (0, 5, 30, len(WHOLE) - 11, len(WHOLE) - 10, len(WHOLE) - 5, len(WHOLE) - 1):
        dies_after[0] = bytes_sent
        answer = gateway.get()
        assert b"legacy-x" not in answer.body
        assert answer.status == 502 if bytes_sent < len(WHOLE) - 10 else (answer.status, answer.is_whole) == (200, False), bytes_sent


def test_who_waits_for_a_side_that_answers_nothing_goes_where_a_rollback_has_moved_him(make_gateway):
    over, hangs = threading.Event(), threading.Event()

    def new(request, connection):
        return over.wait(20) and None if hangs.is_set() else json_answer("{}")

    gateway = make_gateway(answering("{}"), new)
    gateway.oxbow("verify")
    gateway.write_spec(gateway.text.replace("latency: new-read", "latency: mirrored").replace("requests: 2000", "requests: 2000, answer_time: 2s"))
    gateway.kill()
    gateway.up()
    gateway.wait_until(lambda: gateway.get().field("X-Oxbow-Side") == "new", 10, "users are on the new side")
    hangs.set()
    assert [gateway.get("/payments/4711?slow").status for _ in range(2)] == [504] * 2
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(6)]
        for number, client in enumerate(clients):
            client.send(b"GET /payments/4711?n=%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
        gateway.wait_until(lambda: sum("n=" in request.target for request in gateway.new_service.requests) >= 4, 5, "four are asked in front")
        gateway.oxbow("rollback", "payment", "--to", "legacy")
        sides = [client.answer().field("X-Oxbow-Side") for client in clients[4:]]
        over.set()
    assert sides == ["legacy"] * 2


def test_a_request_that_waits_to_be_passed_on_is_counted_once_in_the_load_of_its_cohort(make_gateway):
    over, hangs = threading.Event(), threading.Event()

    def legacy(request, connection):
        return over.wait(20) and None if hangs.is_set() else json_answer("{}")

    gateway = make_gateway(legacy, answering("{}"))
    gateway.write_spec(gateway.text.replace("requests: 2000", "requests: 2000, answer_time: 1s"))
    gateway.kill()
    gateway.up()
    assert gateway.get().status == 200
    hangs.set()
    assert [gateway.get().status for _ in range(2)] == [504] * 2
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(10)]
        for number, client in enumerate(clients):
            client.send(b"GET /payments/4711?n=%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
        assert [client.answer().status for client in clients] == [504] * 10
        over.set()
    cohorts = {cohort["cohort"]: cohort for cohort in gateway.api("traffic")["skew"][0]["cohorts"]}
    assert cohorts["pilot"]["requests"] == 13
