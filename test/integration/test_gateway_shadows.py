"""Shadows and what is learned from them: two services over two mirrored databases. The rule that stands above all: no
shadow, whatever it does, is noticed by a user."""

import gzip
import json
import os
import random
import re
import socket
import threading
import time
import urllib.parse

import pytest

from cluster import execute, free_port
from http_by_socket import get_json, get_text
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
    tables:
      - {{ legacy: public.payments, new: public.payments }}
    cohorts: [ {{ name: pilot, keys: [ "4711" ] }}, {{ name: rest }} ]
    reads: {{ latency: new-read }}
    routes:
      - {{ route: "GET /payments/{{payment_id}}", read: latency, recheck_after: {recheck}{rules} }}
      - {{ route: "POST /payments", write: true, key: body.payment_id, operation_key: [ body.payment_id ] }}
gateway:
  listen: [ "127.0.0.1:{port}" ]
  state_headers: true
  access_log: access.log
  shadow: {{ {shadow} }}
{limits}
"""


class Gateway(Migration):
    def connect(self, **options):
        return RawClient(self.port, **options)

    def get(self, target, fields=""):
        with self.connect() as client:
            return client.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode()).answer()

    def api(self, what, **query):
        return get_json(f"{self.directory}/oxbow.sock", f"/v1/{what}?{urllib.parse.urlencode(query, quote_via=urllib.parse.quote)}")

    def metrics(self):
        return get_text(f"{self.directory}/oxbow.sock", "/v1/metrics")

    def log_lines(self):
        with open(f"{self.directory}/access.log", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def route(self, text="GET /payments/{payment_id}"):
        return next((route for route in self.api("traffic")["routes"] if route["route"] == text), None)

    def wait_for(self, fact, what, seconds=20):
        self.wait_until(lambda: (route := self.route()) and fact(route), seconds, what)
        return self.route()


@pytest.fixture
def make_gateway(tmp_path, databases):
    opened = []

    def make(legacy_answer, new_answer, rules="", recheck="100ms", shadow="time: 2s", mirrored=("pilot", "rest"), limits="",
             key_type="bigint", spec=lambda text: text):
        for url in (databases.legacy, databases.new):
            execute(url, f"CREATE TABLE payments (payment_id {key_type} PRIMARY KEY, note text)")
        legacy, new = ScriptedService(legacy_answer), ScriptedService(new_answer)
        opened.extend((legacy, new))
        port = free_port()
        text = SPEC.format(legacy=databases.legacy, new=databases.new, legacy_service=legacy.url, new_service=new.url,
                           port=port, recheck=recheck, rules=f", compare: [ {rules} ]" if rules else "", shadow=shadow, limits=limits)
        gateway = Gateway(tmp_path, spec(text), databases.legacy, databases.new, [])
        gateway.port, gateway.legacy_service, gateway.new_service = port, legacy, new
        opened.append(gateway)
        gateway.up()
        for cohort in mirrored:
            gateway.oxbow("advance", "payment", "--cohort", cohort, "--to", "mirrored", "--wait")
        return gateway

    yield make
    for each in reversed(opened):
        each.__exit__(None, None, None)


def answering(text):
    return lambda request, connection: json_answer(text)


def test_a_mirrored_read_is_answered_by_legacy_and_shown_to_new(make_gateway):
    gateway = make_gateway(answering('{"id": 1, "note": "a"}'), answering('{"note":"a","id":1.0}'), mirrored=["pilot"])
    assert gateway.get("/payments/4711").field("X-Oxbow-State") == "mirrored"
    assert gateway.get("/payments/1").field("X-Oxbow-State") == "legacy"
    route = gateway.wait_for(lambda route: route["compared"] == 1, "one pair was compared")
    assert route["divergence"]["differed_first"] == 0 and route["coverage"] == 1
    assert [request.target for request in gateway.new_service.requests] == ["/payments/4711"]
    shadow = gateway.new_service.requests[0]
    assert shadow.field("X-Shadow") == "1" and gateway.legacy_service.requests[0].field("X-Shadow") is None
    assert shadow.field("traceparent") == gateway.legacy_service.requests[0].field("traceparent")


def test_shadows_that_an_order_keeps_away_are_counted_as_missing(make_gateway):
    gateway = make_gateway(answering("1"), answering("1"))
    gateway.get("/payments/1")
    gateway.wait_for(lambda route: route["compared"] == 1, "one pair was compared")
    gateway.oxbow("shadow", "payment", "--off", "--why", "legacy is asked no more")
    assert gateway.get("/payments/1").status == 200
    route = gateway.wait_for(lambda route: route["skipped"].get("kept_away") == 1, "the miss was counted")
    assert route["compared"] == 1 and route["coverage"] == 0.5
    assert len(gateway.new_service.requests) == 1
    assert "requests of payment have no shadow since" in gateway.oxbow("status").stdout
    assert "keeps them away" in gateway.oxbow("route", "GET /payments/1").stdout
    gateway.oxbow("shadow", "payment", "--on")
    gateway.get("/payments/1")
    gateway.wait_for(lambda route: route["compared"] == 2, "shadows are back")


def test_users_go_before_shadows_where_cores_are_few(make_gateway):
    gateway = make_gateway(answering("1"), answering("1"))
    threads = [int(name) for name in os.listdir(f"/proc/{gateway.process.pid}/task")]
    behind = [thread for thread in threads if os.sched_getscheduler(thread) == os.SCHED_BATCH]
    assert len(behind) == 2, "the thread that asks and the one that compares go behind the others"


def test_writes_are_not_shadowed(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"))
    body = b'{"payment_id": 4711}'
    with gateway.connect() as client:
        client.send(b"POST /payments HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        assert client.answer().field("X-Oxbow-State") == "mirrored"
    gateway.wait_until(lambda: gateway.log_lines(), 5, "the access log is written")
    assert gateway.log_lines()[-1]["shadow"] == "method" and gateway.log_lines()[-1]["cohort"] == "pilot"
    assert not gateway.new_service.requests


def test_a_difference_is_told_with_both_answers(make_gateway):
    gateway = make_gateway(answering('{"id": 1, "amount": 12.5}'), answering('{"id": 1, "amount": 12.6}'))
    for _ in range(3):
        gateway.get("/payments/4711")
    route = gateway.wait_for(lambda route: route["divergence"]["differed_after_recheck"] == 3, "three have settled")
    assert route["divergence"] == {"compared": 3, "differed_first": 3, "rechecked": 3, "differed_after_recheck": 3, "differed": 3}
    cluster = gateway.api("differences")["clusters"][0]
    assert (cluster["path"], cluster["kind"], cluster["count"]) == ("$.amount", "value", 3)
    listing = gateway.oxbow("diff").stdout
    assert "$.amount" in listing and cluster["id"][:6] in listing
    shown = gateway.oxbow("diff", cluster["id"]).stdout
    assert "12.5" in shown and "12.6" in shown and "GET /payments/4711" in shown
    assert "oxbow_answers_differed_total{route=\"GET /payments/{payment_id}\"} 3" in gateway.metrics()


def test_a_side_that_always_answers_differently_costs_the_other_few_second_looks(make_gateway):
    gateway = make_gateway(answering('{"id": 1}'), answering('{"id": 2}'), recheck="2s", shadow="time: 5s, connections: 100, twin: 0")
    with gateway.connect() as client:
        for _ in range(400):
            client.send(b"GET /payments/4711 HTTP/1.1\r\nHost: h\r\n\r\n")
            client.answer()
    route = gateway.wait_for(lambda route: route["compared"] == 400, "every pair was compared")
    assert route["divergence"]["differed_first"] == 400
    assert 100 <= route["divergence"]["rechecked"] <= 140
    assert route["divergence"]["differed"] == 400, "of those that are not looked at again the first look counts"
    assert len(gateway.legacy_service.requests) <= 540


def files_of(gateway):
    return b"".join(open(os.path.join(gateway.directory, name), "rb").read()
                    for name in os.listdir(gateway.directory) if name.startswith("exemplars.db"))


def with_gateway_key(gateway, line):
    with open(f"{gateway.directory}/oxbow.yaml", encoding="utf-8") as file:
        text = file.read()
    gateway.write_spec(f"{text}  {line}\n")


def test_what_the_spec_redacts_is_nowhere_in_an_example(make_gateway):
    legacy = '{"id": 1, "payer": {"iban": "DE89370400"}, "n": 1, "note": "<legacy>"}'
    new = '{"id": 1, "payer": {"account": "DE89370401"}, "n": {"iban": "DE89370402"}, "note": "<new>"}'
    gateway = make_gateway(answering(legacy), answering(new), recheck="0ms", spec=lambda text: text.replace(
        "recheck_after: 0ms", "recheck_after: 0ms, compare: [ { rename: $.payer.iban, to: account } ], redact: [ $..iban, query.by ]"))
    gateway.get("/payments/4711?by=DE89370403&full=1")
    gateway.wait_until(lambda: len(gateway.api("differences")["clusters"]) == 3, 10, "three kinds of differences")
    told = ""
    for cluster in gateway.api("differences")["clusters"]:
        told += json.dumps(gateway.api("differences", cluster=cluster["id"]))
        told += gateway.oxbow("diff", cluster["id"]).stdout
    gateway.stop()
    kept = files_of(gateway)
    assert "DE8937" not in told and b"DE8937" not in kept
    assert "<legacy>" in told and b"<legacy>" in kept and b"[redacted]" in kept, "the rest is there"


def test_what_a_later_spec_redacts_is_taken_out_of_the_examples(make_gateway):
    gateway = make_gateway(answering('{"a": 1, "iban": "DE89370400"}'), answering('{"a": 2, "iban": "DE89370400"}'), recheck="0ms")
    gateway.get("/payments/4711")
    gateway.wait_until(lambda: b"DE89370400" in files_of(gateway), 15, "an example is kept")
    with_gateway_key(gateway, "redact: [ $.iban ]")
    gateway.wait_until(lambda: b"DE89370400" not in files_of(gateway), 15, "it is taken out")
    cluster = gateway.api("differences")["clusters"][0]
    assert "DE8937" not in json.dumps(gateway.api("differences", cluster=cluster["id"]))


def versioned(versions, side, body):
    return lambda request, connection: json_answer(body).replace(b"\r\n\r\n", b"\r\nX-Version: %s\r\n\r\n" % versions[side].encode(), 1)


@pytest.mark.parametrize("side", ["legacy", "new"])
def test_a_new_version_of_either_side_ends_the_verdicts(make_gateway, side):
    versions = {"legacy": "1.0", "new": "2.0"}
    gateway = make_gateway(versioned(versions, "legacy", '{"a": 1}'), versioned(versions, "new", '{"a": 2}'), recheck="0ms",
                           spec=lambda text: f"{text}  version_header: X-Version\n")

    def ask(times, compared):
        for _ in range(times):
            gateway.get("/payments/4711")
        return gateway.wait_for(lambda route: route["eligible"] == compared, f"{compared} were eligible")

    epoch = ask(5, 5)["epoch"]
    assert (epoch["number"], epoch["legacy_version"], epoch["new_version"]) == (1, "1.0", "2.0")
    assert gateway.api("differences")["clusters"][0]["verdict"]["compared"] == 5
    versions[side] = "3.0"
    route = ask(2, 7)
    assert route["epoch"]["number"] == 2 and route["compared"] == 7 and route["epoch"][f"{side}_version"] == "3.0"
    assert gateway.api("differences")["clusters"][0]["verdict"]["compared"] == 2
    versions[side] = "1.0" if side == "legacy" else "2.0"
    route = ask(3, 10)
    assert route["skipped"] == {"earlier_version": 3} and route["epoch"]["number"] == 2
    assert gateway.api("differences")["clusters"][0]["verdict"]["compared"] == 2


def test_an_order_lets_the_comparison_begin_anew(make_gateway):
    answer = {"new": '{"a": 2}'}
    gateway = make_gateway(answering('{"a": 1}'), lambda request, connection: json_answer(answer["new"]), recheck="0ms")
    for _ in range(3):
        gateway.get("/payments/4711")
    gateway.wait_for(lambda route: route["compared"] == 3, "three were compared")
    route = "GET /payments/{payment_id}"
    refused = gateway.oxbow("diff", "--anew", "GET /payment/{payment_id}", check=False)
    assert refused.returncode != 0 and f"did you mean `{route}`?" in refused.stderr
    assert "$.a" in gateway.oxbow("diff", "--route", route).stdout
    assert "did you mean" in gateway.oxbow("diff", "--route", "GET /payment", check=False).stderr
    other = gateway.api("differences", route="POST /payments")
    assert other["clusters"] == [] and other["clusters_total"] == 0 and other["compared"] == 0
    assert "begins anew" in gateway.oxbow("diff", "--anew", route, "--dry-run").stdout
    assert gateway.route()["compared"] == 3, "a rehearsal changes nothing"
    answer["new"] = '{"a": 1}'
    assert "begins anew" in gateway.oxbow("diff", "--anew", route, "--why", "fixed in 1.5").stdout
    assert gateway.route()["compared"] == 0 and gateway.route()["divergence"]["differed_first"] == 0
    assert gateway.api("differences")["clusters"][0]["verdict"] is None
    assert "not seen lately" in gateway.oxbow("diff").stdout
    event = gateway.api("events")["events"][-1]
    assert "begins anew for GET /payments" in json.dumps(event) and "fixed in 1.5" in json.dumps(event)
    gateway.get("/payments/4711")
    gateway.wait_for(lambda route: route["compared"] == 1, "it counts from then on")
    gateway.oxbow("diff", "--anew")
    assert gateway.route()["compared"] == 0 and gateway.route()["epoch"]["number"] == 3


@pytest.mark.parametrize("twin, asked", [("0", 40), ("100%", 80)])
def test_the_spec_says_how_often_a_side_is_asked_twice(make_gateway, twin, asked):
    gateway = make_gateway(answering('{"a": 1}'), answering('{"a": 2}'), recheck="0ms", shadow=f"time: 5s, connections: 100, twin: {twin}")
    for _ in range(40):
        gateway.get("/payments/4711")
    gateway.wait_for(lambda route: route["compared"] == 40, "all were compared")
    assert len(gateway.legacy_service.requests) == asked
    verdict = gateway.api("differences")["clusters"][0]["verdict"]
    assert (verdict["twins"], verdict["twin_differed"]) == (asked - 40, 0)


def test_legacy_is_asked_twice_whoever_answers_users(make_gateway):
    """What a field of new is measured against is how much legacy differs from itself."""
    count = iter(range(1000))
    gateway = make_gateway(answering('{"a": 1}'), lambda request, connection: json_answer('{"a": %d}' % next(count)),
                           recheck="0ms", shadow="time: 5s, connections: 100, twin: 100%",
                           spec=lambda text: text.replace("latency: new-read", "latency: mirrored"))
    gateway.oxbow("verify")
    for _ in range(40):
        assert gateway.get("/payments/4711").field("X-Oxbow-Side") == "new"
    gateway.wait_for(lambda route: route["compared"] == 40, "all were compared")
    assert (len(gateway.legacy_service.requests), len(gateway.new_service.requests)) == (80, 40)
    verdict = gateway.api("differences")["clusters"][0]["verdict"]
    assert (verdict["twins"], verdict["twin_differed"]) == (40, 0)


def test_what_a_rule_ignores_does_not_differ_between_two_answers_of_legacy(make_gateway):
    """Not even where another rule translates what legacy says."""
    count = iter(range(1000))
    gateway = make_gateway(lambda request, connection: json_answer('{"at": %d, "a": 1}' % next(count)),
                           answering('{"at": -1, "b": 1}'), rules="{ rename: $.a, to: b }", recheck="0ms",
                           shadow="time: 5s, connections: 100, twin: 100%")
    with open(f"{gateway.directory}/oxbow.yaml", encoding="utf-8") as file:
        text = file.read()
    gateway.get("/payments/4711")
    gateway.wait_for(lambda route: route["compared"] == 1, "one was compared")
    assert gateway.api("differences")["clusters"][0]["verdict"]["twin_differed"] == 1
    gateway.write_spec(text.replace("{ rename: $.a", "{ ignore: $.at, why: clock }, { rename: $.a"))
    gateway.wait_until(lambda: "the changed spec are in force" in gateway.log(), 5, "the rule is in force")
    for _ in range(10):
        gateway.get("/payments/4711")
    gateway.wait_for(lambda route: route["compared"] == 10, "all were compared")
    assert len(gateway.legacy_service.requests) == 22
    assert [cluster["verdict"] for cluster in gateway.api("differences")["clusters"]] == [None]


def test_examples_of_differences_survive_a_restart(make_gateway):
    gateway = make_gateway(answering('{"a": 1}'), answering('{"a": 2}'), recheck="0ms")
    gateway.get("/payments/4711")
    gateway.wait_for(lambda route: route["compared"] == 1, "one pair was compared")
    gateway.stop()
    gateway.up()
    assert gateway.api("differences")["clusters"][0]["path"] == "$.a"


def test_data_that_are_still_on_their_way_are_no_divergence(make_gateway):
    late = threading.Event()
    gateway = make_gateway(answering('{"a": 2}'), lambda request, connection: json_answer('{"a": %d}' % (2 if late.is_set() else 1)),
                           recheck="1s")
    gateway.get("/payments/4711")
    gateway.wait_until(lambda: gateway.new_service.requests, 5, "the shadow was sent")
    late.set()
    route = gateway.wait_for(lambda route: route["divergence"]["rechecked"] == 1, "it was looked at again")
    assert (route["divergence"]["differed_first"], route["divergence"]["differed_after_recheck"]) == (1, 0)
    assert not gateway.api("differences")["clusters"]


def test_rules_of_the_route_say_what_may_differ(make_gateway):
    rules = "{ ignore: $.at, why: clock }, { scale: $.amount, factor: 100 }, { rename: $.amount, to: amount_minor }"
    gateway = make_gateway(answering('{"at": 1, "amount": 12.34}'), answering('{"amount_minor": 1234, "at": 2}'), rules)
    gateway.get("/payments/4711")
    assert gateway.wait_for(lambda route: route["compared"] == 1, "it was compared")["divergence"]["differed_first"] == 0


ODD = {
    "not_json": (b"<html>a</html>", "text/html", ""),
    "invalid_json": (b'{"a": 01}', "application/json", ""),
    "too_deep": (b"[" * 10_000 + b"]" * 10_000, "application/json", ""),
    "too_large": (gzip.compress(b'{"a": "' + b" " * (50 << 20) + b'"}'), "application/json", "Content-Encoding: gzip\r\n"),
    "undecodable_encoding": (b"\x1f\x8brubbish", "application/json", "Content-Encoding: gzip\r\n"),
    "content_encoding_unsupported": (b"x", "application/json", "Content-Encoding: exotic\r\n"),
    "answer_too_large": (b'"' + b"x" * (50 << 20) + b'"', "application/json", ""),
}


@pytest.mark.parametrize("reason", ODD)
def test_an_answer_that_cannot_be_compared_has_a_reason(make_gateway, reason):
    body, content_type, fields = ODD[reason]
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode()
    gateway = make_gateway(answering('{"a": 1}'), lambda request, connection: head + body)
    before = gateway.peak_rss_bytes()
    assert gateway.get("/payments/4711").body == b'{"a": 1}'
    route = gateway.wait_for(lambda route: route["eligible"] == 1, "it was counted")
    assert reason in route["skipped"] or reason == "not_json" and route["divergence"]["differed_first"] == 1, route
    assert gateway.peak_rss_bytes() - before < 40 << 20


def test_numbers_are_compared_exactly(make_gateway):
    long = "1" * 400
    gateway = make_gateway(answering('{"a": 9007199254740993, "b": %s}' % long), answering('{"a": 9007199254740992, "b": %s1}' % long[1:]),
                           recheck="0ms")
    gateway.get("/payments/4711")
    gateway.wait_for(lambda route: route["compared"] == 1, "it was compared")
    assert {cluster["path"] for cluster in gateway.api("differences")["clusters"]} == {"$.a"}


def hang(stop):
    def answer(request, connection):
        stop.wait(60)
    return answer


def reset(request, connection):
    connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: the end is an error


def drip(stop):
    def answer(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stop.wait(0.1):
            connection.sendall(b"x")
    return answer


def stream(request, connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
    for _ in range(1 << 10):
        connection.sendall(b"x" * (1 << 20))


BAD_SHADOWS = {
    "hung": ("timeout", hang), "resetting": ("broken_off", lambda stop: reset), "dripping": ("timeout", drip),
    "streaming": ("answer_too_large", lambda stop: stream),
    "failing": (None, lambda stop: lambda request, connection: json_answer('{"error": 1}', "500 Internal Server Error")),
}


@pytest.mark.parametrize("what", BAD_SHADOWS)
def test_no_user_notices_a_bad_shadow(make_gateway, what):
    reason, make_answer = BAD_SHADOWS[what]
    stop = threading.Event()
    gateway = make_gateway(answering('{"a": 1}'), make_answer(stop), shadow="time: 1s, connections: 4, memory: 4MB")
    before = gateway.peak_rss_bytes()
    slowest = 0
    with gateway.connect() as client:
        for _ in range(300):
            began = time.monotonic()
            assert client.send(b"GET /payments/4711 HTTP/1.1\r\nHost: h\r\n\r\n").answer().body == b'{"a": 1}'
            slowest = max(slowest, time.monotonic() - began)
    route = gateway.wait_for(lambda route: route["eligible"] == 300, "every one is counted")
    stop.set()
    assert slowest < 1, "a user has waited for a shadow"
    assert gateway.peak_rss_bytes() - before < 12 << 20
    if reason:
        assert route["skipped"].get(reason, 0) > 0, route["skipped"]
        assert sum(route["skipped"].values()) + route["compared"] == 300
    else:
        assert route["errors"]["only_new_failed"] == route["compared"] > 0


def test_a_side_that_fails_is_asked_for_shadows_again_within_four_seconds(make_gateway):
    """What is not compared is not known, and failed shadows harm nobody."""
    gateway = make_gateway(answering("{}"), answering("{}"))
    gateway.new_service.close()

    def left_alone():
        gateway.get("/payments/4711")
        return re.findall("shadows leave it alone for (.*)", gateway.log())

    gateway.wait_until(lambda: len(left_alone()) >= 4, 20, "it was left alone some times")
    assert left_alone()[:4] == ["1.0 s", "2.0 s", "4.0 s", "4.0 s"]


def test_a_client_that_is_slow_to_read_makes_no_service_slow(make_gateway):
    text = json.dumps("x" * (12 << 20))
    gateway = make_gateway(answering(text), answering(text), recheck="0ms", shadow="time: 10s, body: 16MB, memory: 64MB, twin: 0")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(20)
        slow.connect(("127.0.0.1", gateway.port))
        slow.sendall(b"GET /payments/4711 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        time.sleep(1)
        while slow.recv(1 << 20):
            pass
    assert gateway.wait_for(lambda route: route["compared"] == 1, "the pair is compared")["latency"] is None


def test_a_rollback_counts_from_the_next_request_on(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"))
    states, stop = [], threading.Event()

    def watch():
        with gateway.connect() as client:
            while not stop.is_set():
                client.send(b"GET /payments/4711 HTTP/1.1\r\nHost: h\r\n\r\n")
                sent = time.monotonic()
                states.append((sent, client.answer().field("X-Oxbow-State")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    gateway.wait_until(lambda: len(states) > 50, 10, "requests are on their way")
    gateway.oxbow("rollback", "payment", "--cohort", "pilot", "--to", "legacy")
    returned = time.monotonic()
    gateway.wait_until(lambda: states[-1][0] > returned + 0.2, 10, "some more requests")
    stop.set()
    watcher.join()
    assert {state for sent, state in states if sent > returned} == {"legacy"}
    assert states[0][1] == "mirrored"


def answer_of(chance, number, method):
    body = bytes(chance.randrange(256) for _ in range(chance.choice((0, 1, 10, 5000, 70_000))))
    if method == "HEAD" or chance.random() < 0.5:
        head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nX-A: %d\r\n\r\n" % (chance.choice((200, 404, 500)), len(body), number)
        return head if method == "HEAD" else head + body
    size = chance.randrange(1, 9000)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size]) for i in range(0, len(body), size))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n" + chunks + b"0\r\n\r\n"


def request_of(chance, number, method, version, connection):
    fields = f"Host: h\r\nConnection: {connection}\r\nX-Odd: {''.join(chance.choices('abc xyz!', k=20))}\r\n"
    path = chance.choice(("/payments/4711", "/payments/9", "/payments/4711/", "/other"))
    head = f"{method} {path}?n={number} HTTP/{version}\r\n{fields}".encode()
    if method != "PUT":
        return head + b"\r\n"
    body = bytes(chance.randrange(256) for _ in range(chance.choice((0, 3, 4000))))
    if version == "1.1" and chance.random() < 0.5:
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def corpus(seed, size=250):
    """Answers of many kinds by number, and requests as clients send them: one by one, or several at once."""
    chance = random.Random(seed)
    answers, connections, number = {}, [], 0
    while number < size:
        count = chance.choice((1, 1, 3, 6))
        version = "1.0" if count == 1 and chance.random() < 0.3 else "1.1"
        sent = b""
        for i in range(count):
            method = chance.choice(("GET", "GET", "HEAD", "PUT"))
            ends = chance.choice(("close", "close, X-Odd")) if i == count - 1 else "X-Odd"
            answers[number] = answer_of(chance, number, method)
            sent += request_of(chance, number, method, version, ends)
            number += 1
        connections.append(sent)
    return answers, connections


def bad_in_every_way(request, connection):
    ways = (json_answer('{"other": true}'), None, b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", b"rubbish\r\n\r\n",
            json_answer('"' + "x" * 200_000 + '"'))
    return ways[len(request.head) % len(ways)]


@pytest.mark.parametrize("shadow", [answering('{"other": true}'), bad_in_every_way], ids=["well", "badly"])
def test_users_get_the_same_bytes_with_and_without_shadows(make_gateway, shadow):
    answers, connections = corpus(1)

    def answer(request, connection):
        return answers[int(request.target.split("=")[1])]

    gateway = make_gateway(answer, shadow, mirrored=(), recheck="0ms")

    def replay():
        received = []
        for sent in connections:
            with gateway.connect() as client:
                received.append(client.send(sent).read_rest().replace(b"X-Oxbow-State: mirrored", b"X-Oxbow-State: legacy"))
        return received

    without = replay()
    gateway.oxbow("advance", "payment", "--to", "mirrored", "--wait")
    assert replay() == without
    assert gateway.new_service.requests


def test_status_tells_how_the_load_lies_on_the_cohorts(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"), mirrored=["rest"])
    for number in range(60):
        gateway.get(f"/payments/{4711 if number % 2 else number}")
    cohorts = {cohort["cohort"]: cohort for cohort in gateway.api("traffic")["skew"][0]["cohorts"]}
    assert cohorts["pilot"]["requests"] == 30 and cohorts["pilot"]["hottest_key"] == "4711"
    assert cohorts["rest"]["keys"] == pytest.approx(30, abs=2)
    assert "50 %" in cohorts["pilot"]["sentence"]
    assert cohorts["pilot"]["sentence"] in gateway.oxbow("status").stdout
    dry_run = gateway.oxbow("advance", "payment", "--cohort", "pilot", "--to", "mirrored", "--dry-run").stdout
    assert f"load of pilot: {cohorts['pilot']['sentence']}" in dry_run and "load of rest" not in dry_run


def test_a_changed_spec_is_taken_over_without_a_dropped_request_and_a_bad_one_is_not(make_gateway):
    gateway = make_gateway(answering('{"at": 1}'), answering('{"at": 2}'), recheck="0ms")
    with open(f"{gateway.directory}/oxbow.yaml", encoding="utf-8") as file:
        text = file.read()
    failures, stop = [], threading.Event()

    def use():
        with gateway.connect() as client:
            while not stop.is_set():
                if client.send(b"GET /payments/4711 HTTP/1.1\r\nHost: h\r\n\r\n").answer().status != 200:
                    failures.append("an answer was no answer")

    user = threading.Thread(target=use)
    user.start()
    gateway.wait_for(lambda route: route["divergence"]["differed_first"] > 0, "it differs")
    gateway.write_spec(text.replace("read: latency,", "read: sometimes,"))
    gateway.wait_until(lambda: "the old one stays in force" in gateway.log(), 5, "the bad spec is refused")
    assert "sometimes" in gateway.log() and gateway.get("/payments/4711").field("X-Oxbow-State") == "mirrored"
    [finding] = gateway.findings("spec-not-taken")
    assert "is not taken over" in finding["sentence"] and "sometimes" in finding["detail"]
    gateway.write_spec(text.replace("name: pilot, keys: [ \"4711\" ]", "name: pilot, keys: [ \"4712\" ]"))
    gateway.wait_until(lambda: "the spec gives other keys to payment/pilot, which is in `mirrored`" in gateway.log(), 5,
                       "keys never change their cohort, and the next start would say so, too")
    gateway.write_spec(text.replace("recheck_after: 0ms", "recheck_after: 0ms, compare: [ { ignore: $.at, why: clock } ]"))
    gateway.wait_until(lambda: "the changed spec are in force" in gateway.log(), 5, "the good spec is taken over")
    assert gateway.findings("spec-not-taken") == []
    assert gateway.route()["epoch"]["number"] == 2, "verdicts by other rules are worth nothing"
    route = gateway.wait_for(lambda route: route["compared"] > 200, "more were compared")
    assert route["divergence"]["differed_first"] == 0
    gateway.write_spec(text.replace("recheck_after: 0ms", "recheck_after: 0ms, compare: [ { ignore: $.at, why: jitter } ]"))
    gateway.wait_until(lambda: gateway.log().count("the changed spec are in force") == 2, 5, "it is taken over")
    assert gateway.route()["epoch"]["number"] == 2, "another reason is no other rule"
    stop.set()
    user.join()
    assert not failures


def test_a_request_that_got_no_answer_is_counted_as_not_compared(make_gateway):
    gateway = make_gateway(lambda request, connection: None, answering("{}"))
    assert gateway.get("/payments/4711").status == 502
    route = gateway.wait_for(lambda route: route["eligible"] == 1, "it is counted")
    assert route["skipped"] == {"no_answer": 1} and route["compared"] == 0


def test_a_difference_whose_second_look_finds_no_room_is_not_taken_for_equal(make_gateway):
    """The first answers are small; at the second look the new side's is larger than a shadow may keep."""
    looks = []

    def answer(request, connection):
        looks.append(request)
        return json_answer('{"a": 2}' if len(looks) == 1 else '"' + "x" * 5000 + '"')

    gateway = make_gateway(answering('{"a": 1}'), answer, shadow="time: 2s, body: 4kB")
    gateway.get("/payments/4711")
    route = gateway.wait_for(lambda route: route["eligible"] == 1, "it is counted")
    assert route["compared"] == 0 and route["skipped"] == {"body_too_large": 1}


def test_nobody_is_compared_while_his_rows_are_on_their_way(make_gateway):
    def answer_of_new(request, connection):
        found = execute(gateway.new, "SELECT 1 FROM payments WHERE payment_id = %s" % request.target.split("/")[-1])
        return json_answer('{"id": 1}') if found else json_answer('{"error": "no such payment"}', "404 Not Found")

    gateway = make_gateway(answering('{"id": 1}'), answer_of_new, mirrored=(), recheck="0ms",
                           limits="limits: { rows_per_second: 1500 }")
    execute(gateway.legacy, "INSERT INTO payments SELECT i, 'a' FROM generate_series(1, 6000) i")
    gateway.oxbow("advance", "payment", "--cohort", "rest", "--to", "mirrored")
    gateway.wait_until(lambda: gateway.get("/payments/1").field("X-Oxbow-State") == "mirrored", 10, "it is mirrored")
    assert "until all rows of its cohort are copied" in gateway.oxbow("route", "GET /payments/1").stdout
    while not gateway.is_backfilled():
        gateway.get("/payments/5999")
    gateway.wait_until(lambda: gateway.get("/payments/5999").status == 200 and gateway.route()["compared"] > 0, 5, "it is compared")
    route = gateway.route()
    assert route["skipped"]["not_copied"] >= 10, route
    assert route["divergence"]["differed_first"] == 0 and not gateway.api("differences")["clusters"]
    assert 'oxbow_answers_skipped_total{route="GET /payments/{payment_id}",reason="not_copied"}' in gateway.metrics()
    gateway.wait_until(lambda: {"not_copied", "copied"} <= {line["shadow"] for line in gateway.log_lines()}, 5, "the log tells them apart")


def test_after_a_restart_shadows_go_on_with_the_stream(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"))
    gateway.kill()
    said = gateway.ask("route", "GET /payments/4711")
    assert "those of the journal" in said["lines"][1] and said["state"] == "mirrored", said
    gateway.up()
    gateway.wait_until(lambda: gateway.get("/payments/4711").status == 200 and (gateway.route() or {}).get("compared"), 20,
                       "what is copied is compared again")


def test_a_text_that_looks_like_a_number_is_a_key_where_the_database_says_text(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"), mirrored=(), key_type="text")
    assert "cohort: rest, by bucket" in gateway.oxbow("route", "GET /payments/007").stdout
    gateway.stop()
    assert "cohort: rest, by bucket" in gateway.oxbow("route", "GET /payments/007").stdout, "the database is asked"
    gateway.up()
    gateway.oxbow("advance", "payment", "--cohort", "rest", "--to", "mirrored", "--wait")
    assert gateway.get("/payments/007").field("X-Oxbow-State") == "mirrored"
    gateway.wait_for(lambda route: route["compared"] == 1, "it has a shadow")
    with open(f"{gateway.directory}/oxbow.yaml", encoding="utf-8") as file:
        gateway.write_spec(file.read().replace("recheck_after: 100ms", "recheck_after: 200ms"))
    gateway.wait_until(lambda: "the changed spec are in force" in gateway.log(), 5, "the changed spec is taken over")
    assert gateway.get("/payments/007").field("X-Oxbow-State") == "mirrored"
    gateway.kill()
    gateway.up()
    gateway.wait_until(lambda: gateway.get("/payments/007").field("X-Oxbow-State") == "mirrored", 10, "it is known again")


def test_a_number_with_leading_zeros_is_no_key_of_an_integer(make_gateway):
    gateway = make_gateway(answering("{}"), answering("{}"))
    assert gateway.get("/payments/007").field("X-Oxbow-State") is None
    assert "it is not written as the database prints it" in gateway.oxbow("route", "GET /payments/007").stdout
