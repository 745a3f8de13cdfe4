"""Errors of the gateway that were found and mended, on real sockets."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import struct
import threading
import time

import pytest

from gateway import GatewayUnderTest
from scripted_service import ScriptedService, json_answer


@pytest.fixture
def make_gateway(tmp_path):
    opened = []

    def make(answer=lambda request, connection: json_answer("{}"), settings="", legacy_more="", **options):
        legacy, new = ScriptedService(answer, **options), ScriptedService()
        opened.extend((legacy, new))
        gateway = GatewayUnderTest(tmp_path, legacy, new, settings, legacy_more)
        gateway.service = legacy
        opened.append(gateway)
        return gateway

    yield make
    for each in reversed(opened):
        each.__exit__(None, None, None)


CHUNKED = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("begin", [b"", b"3\r\nabc\r\n"], ids=["at its begin", "behind what was sent"])
def test_bodies_that_clients_break_are_not_the_fault_of_the_service(make_gateway, begin):
    gateway = make_gateway(settings="  health: { failures: 2 }")
    for _ in range(5):
        with gateway.connect() as client:
            client.send(CHUNKED + begin)
            time.sleep(0.1)
            answer = client.send(b"no size\r\n").answer()
            assert (answer.status, answer.body) == (400, b"a chunk of the body is malformed\n")
    assert gateway.get().status == 200


def test_an_answer_to_an_upload_has_its_time_from_the_last_byte_on(make_gateway):
    hangs = threading.Event()

    def answer(request, connection):
        return json_answer("{}") if request.target == "/quick" else hangs.wait(20) and None

    gateway = make_gateway(answer, settings="  limits: { answer_time: 1s }")
    with gateway.connect() as client:
        client.send(b"POST /quick HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        time.sleep(2)
        assert client.send(b"def").answer().status == 200
    with gateway.connect() as client:
        client.send(b"POST /never HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        time.sleep(0.2)
        sent = time.monotonic()
        assert client.send(b"def").answer().status == 504
        assert time.monotonic() - sent < 5
    hangs.set()


def test_who_is_still_sending_hears_that_the_service_has_gone(make_gateway):
    gateway = make_gateway(lambda request, connection: None, reads_body=False)
    with gateway.connect() as client:
        client.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        assert client.answer().status == 502
    gateway.wait_until(gateway.access_log, 5, "it is in the access log")
    line = gateway.access_log()[0]
    assert line["status"] == 502 and "client_gone" not in line


def test_one_bad_health_answer_takes_no_service_away(make_gateway):
    asked = []

    def answer(request, connection):
        if request.target != "/health":
            return json_answer("{}")
        asked.append(request)
        return json_answer("{}", "500 Sick" if len(asked) % 3 else "200 OK")

    gateway = make_gateway(answer, "  health: { every: 50ms, failures: 3 }", ", health: /health")
    gateway.wait_until(lambda: gateway.get().status == 200 and len(asked) > 12, 10, "it was asked often")
    statuses = set()
    seen = len(asked)
    while len(asked) < seen + 6:
        statuses.add(gateway.get().status)
    assert statuses == {200}


@pytest.mark.parametrize("protocol", ["h2c", "H2C", "HTTP/2.0", "websocket, h2c"])
def test_no_tunnel_of_http_leads_past_the_decisions(make_gateway, protocol):
    gateway = make_gateway()
    fields = f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    assert gateway.get(fields=fields).status == 200
    request = gateway.service.requests[0]
    assert request.field("Upgrade") is None and request.field("HTTP2-Settings") is None


def test_what_was_refused_is_in_the_access_log(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        client.send(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (client.answer().status, client.answer().status) == (200, 400)
    gateway.wait_until(lambda: len(gateway.access_log()) == 2, 5, "both are in the access log")
    line = gateway.access_log()[1]
    assert (line["client"], line["status"], line["failure"]) == ("127.0.0.1", 400, "there is no Host")


def test_secrets_of_a_target_are_not_in_the_access_log(make_gateway):
    gateway = make_gateway()
    gateway.get("/a?access_token=s3cr3tv4lue&page=7")
    gateway.wait_until(gateway.access_log, 5, "it is in the access log")
    assert gateway.service.requests[0].target == "/a?access_token=s3cr3tv4lue&page=7"
    assert gateway.access_log()[0]["target"] == "/a?access_token=[redacted]&page=7"


def test_a_trace_that_is_none_is_replaced(make_gateway):
    gateway = make_gateway()
    gateway.get(fields="traceparent: 00-nothing\r\n")
    assert len(gateway.service.requests[0].field("traceparent")) == 55


def test_who_is_turned_away_and_resets_takes_nobody_along(make_gateway):
    gateway = make_gateway(settings="  limits: { connections: 1 }")
    with gateway.connect() as client:
        assert client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200
        for _ in range(300):
            other = socket.create_connection(("127.0.0.1", gateway.port))
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            other.close()
        assert client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200
    gateway.wait_until(lambda: gateway.get().status == 200, 5, "there is room again")


def test_a_slow_second_request_is_told_so_and_logged(make_gateway):
    gateway = make_gateway(settings="  limits: { header_time: 500ms }")
    with gateway.connect() as client:
        assert client.send(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200
        assert client.send(b"GET /b HT").answer().status == 408
        assert client.is_closed()
    gateway.wait_until(lambda: [line["status"] for line in gateway.access_log()] == [200, 408], 5, "both are logged")


def test_an_answer_that_cannot_be_passed_on_does_not_take_the_service_away_from_others(make_gateway):
    def answer(request, connection):
        if request.target != "/odd":
            return json_answer("{}")
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"

    gateway = make_gateway(answer, settings="  health: { failures: 2 }")
    assert [gateway.get("/odd").status for _ in range(4)] == [502] * 4
    assert gateway.get("/plain").status == 200


def test_an_answer_with_many_cookies_is_passed_on(make_gateway):
    cookies = b"".join(b"Set-Cookie: c%d=1\r\n" % i for i in range(300))
    gateway = make_gateway(lambda request, connection: b"HTTP/1.1 200 OK\r\n" + cookies + b"Content-Length: 2\r\n\r\n{}")
    answer = gateway.get()
    assert (answer.status, answer.body) == (200, b"{}")


def test_nobody_but_the_gateway_calls_a_request_a_shadow(make_gateway):
    """A service that takes a user's request for a shadow gives it no effect."""
    gateway = make_gateway()
    assert gateway.get(fields="X-Shadow: 1\r\nX_Shadow: 1\r\nX-Mine: 2\r\n").status == 200
    names = [name for name, _ in gateway.service.requests[0].fields]
    assert "X-Mine" in names and not {"X-Shadow", "X_Shadow"} & set(names)


def test_a_service_cannot_change_to_a_protocol_that_nobody_asked_for(make_gateway):
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    gateway = make_gateway(lambda request, connection: switched)
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    assert gateway.get().status == 502
    with gateway.connect() as client:
        client.send(f"POST / HTTP/1.1\r\nHost: h\r\n{upgrade}Content-Length: 2\r\n\r\nhi".encode())
        assert client.answer().status == 502
    assert gateway.get(fields=upgrade).status == 101


def test_letters_of_any_alphabet_are_themselves_in_the_access_log(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        client.send("GET /größe HTTP/1.1\r\nHost: h\r\n\r\n".encode() + b"GET /gr\xf6\xdfe HTTP/1.1\r\nHost: h\r\n\r\n")
        assert [client.answer().status for _ in range(2)] == [200, 200]
    gateway.wait_until(lambda: len(gateway.access_log()) == 2, 5, "both are logged")
    assert [line["target"] for line in gateway.access_log()] == ["/größe", "/gr\ufffd\ufffde"]


def test_a_trailer_says_nothing_that_only_the_gateway_may_say(make_gateway):
    """Many programs read trailers as if they had stood in the head."""
    received = []

    def answer(request, connection):
        body = request.body
        while not body.endswith(b"\r\n\r\n"):
            body += connection.recv(65536)
        received.append(body)
        return json_answer("{}", fields="Connection: close\r\n")

    gateway = make_gateway(answer, reads_body=False)
    forbidden = ("X-Shadow", "X_Shadow", "X-Forwarded-For", "Transfer_Encoding", "Content_Length", "Cookie", "Range")
    with gateway.connect() as client:
        trailers = "".join(f"{name}: 1\r\n" for name in (*forbidden, "X-Sum"))
        client.send(CHUNKED + f"1\r\na\r\n0\r\n{trailers}\r\n".encode())
        assert client.answer().status == 200
    assert received == [b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"]


def test_nobody_makes_the_gateway_search_for_thousands_of_names(make_gateway):
    gateway = make_gateway()
    fields = "".join(f"x{number}: y\r\n" for number in range(90))
    answer = gateway.get(fields=f"{fields}Connection: {'aa,' * 10_000}b\r\n")
    assert (answer.status, answer.body) == (431, b"Connection lists more than 100 names\n")


def broken_off(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")


def test_an_address_whose_answer_breaks_off_takes_no_service_away_from_others(make_gateway):
    def answer(request, connection):
        return broken_off(connection) if request.target == "/poison" else json_answer("{}")

    gateway = make_gateway(answer, settings="  health: { failures: 2 }")
    for _ in range(20):
        assert not gateway.get("/poison").is_whole
    assert [gateway.get("/ok").status for _ in range(5)] == [200] * 5


def test_answers_that_are_too_late_take_no_service_away_from_others(make_gateway):
    stop = threading.Event()

    def answer(request, connection):
        return json_answer("{}") if request.target == "/ok" else stop.wait(20) and None

    gateway = make_gateway(answer, settings="  limits: { answer_time: 300ms }\n  health: { failures: 2 }")
    assert [gateway.get("/report").status for _ in range(6)] == [504] * 6
    assert [gateway.get("/ok").status for _ in range(5)] == [200] * 5
    stop.set()


def test_a_request_that_no_address_answers_takes_none_away(tmp_path):
    def answer(request, connection):
        return None if request.target == "/444" else json_answer("{}")

    with ScriptedService(answer) as one, ScriptedService(answer) as two, ScriptedService() as new, \
            GatewayUnderTest(tmp_path, [one, two], new) as gateway:
        assert [gateway.get("/444").status for _ in range(12)] == [502] * 12
        asked = len(one.requests), len(two.requests)
        assert [gateway.get("/ok").status for _ in range(8)] == [200] * 8
        assert (len(one.requests) - asked[0], len(two.requests) - asked[1]) == (4, 4), "both are asked"


def test_an_address_that_answers_nothing_is_left_alone_for_one_that_does(tmp_path):
    with ScriptedService(lambda request, connection: None) as broken, ScriptedService() as well, ScriptedService() as new, \
            GatewayUnderTest(tmp_path, [broken, well], new, "  health: { failures: 2 }") as gateway:
        assert {gateway.get(method="POST").status for _ in range(8)} == {200, 502}
        assert f"{broken.url} failed 2 of 2 times; users leave it alone for 1.0 s" in gateway.log()
        well.close()
        assert gateway.get(method="POST").status == 502, "before a user gets nothing, it is asked"


@contextlib.contextmanager
def standard_output(gateway):
    """The gateway with its access log there; the reader of it."""
    gateway.stop()
    with open(f"{gateway.directory}/oxbow.yaml", encoding="utf-8") as file:
        gateway.write_spec(file.read().replace("access_log: access.log", 'access_log: "-"'))
    reading, writing = os.pipe()
    gateway.up(stdout=writing)
    os.close(writing)
    with open(reading, "rb") as reader:
        yield reader


def get_often(gateway, times, target):
    with gateway.connect(timeout=10) as client:
        for _ in range(times):
            assert client.send(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % target).answer().status == 200


def lost_lines(gateway):
    return int(re.search("oxbow_access_log_lines_lost_total ([0-9]+)", gateway.metrics())[1])


def test_a_reader_of_the_access_log_that_stands_still_makes_no_user_wait(make_gateway):
    gateway = make_gateway()
    with standard_output(gateway) as reader:
        get_often(gateway, 2500, b"/" + b"a" * 8000)
        gateway.wait_until(lambda: lost_lines(gateway) > 0, 10, "lines are lost")
        assert gateway.log().count("the access log is not taken as fast as it is written") == 1
        read = []
        reading = threading.Thread(target=lambda: read.extend(json.loads(line) for line in reader))
        reading.start()
        gateway.wait_until(lambda: "the access log is written again" in gateway.log(), 20, "it is written again")
        gateway.get("/last")
        assert gateway.stop() == 0
        reading.join(20)
    assert read[-1]["target"] == "/last"
    lost = int(re.search("([0-9]+) lines of it were lost", gateway.log())[1])
    assert len(read) + lost == 2501


def test_a_slow_reader_of_the_access_log_has_all_of_it_at_the_end(make_gateway):
    gateway = make_gateway()
    with standard_output(gateway) as reader:
        get_often(gateway, 300, b"/" + b"a" * 1000)
        gateway.process.send_signal(signal.SIGTERM)
        lines = []
        for line in reader:
            lines.append(line)
            time.sleep(0.002)
        assert gateway.wait_for_exit() == 0
    assert len(lines) == 300


def test_sighup_opens_the_access_log_anew_and_does_nothing_else(make_gateway):
    gateway = make_gateway()
    log = f"{gateway.directory}/access.log"
    with gateway.connect() as client:
        assert client.send(b"GET /before HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200
        assert [line["target"] for line in gateway.access_log()] == ["/before"]
        os.rename(log, log + ".1")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_until(lambda: os.path.exists(log), 5, "there is a new one")
        assert client.send(b"GET /behind HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200
    assert [line["target"] for line in gateway.access_log()] == ["/behind"]
    with open(log + ".1", encoding="utf-8") as file:
        assert [json.loads(line)["target"] for line in file] == ["/before"]
    assert gateway.stop() == 0


def test_options_and_trace_go_no_further_than_they_may(make_gateway):
    gateway = make_gateway()
    found = gateway.get("/a", "Max-Forwards: 0\r\n", "OPTIONS")
    assert (found.status, found.body) == (200, b"")
    found = gateway.get("/a?b", "Max-Forwards: 0\r\nX-A: 1\r\nCookie: s=1\r\nAuthorization: Basic x\r\n", "TRACE")
    assert (found.status, found.field("Content-Type")) == (200, "message/http")
    assert found.body == b"TRACE /a?b HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 0\r\nX-A: 1\r\n\r\n"
    assert not gateway.service.requests
    assert gateway.get("/a", "Max-Forwards: 3\r\n", "OPTIONS").status == 200
    assert gateway.get("/a", "Max-Forwards: 0\r\n").status == 200
    assert [request.field("Max-Forwards") for request in gateway.service.requests] == ["2", "0"]
    gateway.wait_until(lambda: len(gateway.access_log()) == 4, 5, "all are logged")
    assert [line["reason"] for line in gateway.access_log()][:2] == ["max-forwards"] * 2


def test_the_state_of_a_trace_ends_with_a_trace_that_is_none(make_gateway):
    gateway = make_gateway()
    gateway.get(fields="traceparent: 00-nothing\r\ntracestate: a=1\r\n")
    gateway.get(fields="traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=1\r\n")
    assert [request.field("tracestate") for request in gateway.service.requests] == [None, "a=1"]


def test_a_higher_minor_version_is_read_as_http_1_1(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        for _ in range(2):
            assert client.send(b"GET / HTTP/1.2\r\nHost: h\r\n\r\n").answer().status == 200
    assert gateway.service.requests[0].version == "HTTP/1.1"


def test_more_requests_than_the_services_may_be_asked_are_refused_at_once(make_gateway):
    go_on = threading.Event()

    def answer(request, connection):
        if request.target == "/socket":
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            return connection.recv(1)
        return json_answer("{}") if request.target == "/quick" or go_on.wait(20) else None

    gateway = make_gateway(answer, settings="  limits: { requests: 2 }")
    with contextlib.ExitStack() as clients:
        upgraded, *hanging = [clients.enter_context(gateway.connect()) for _ in range(3)]
        upgraded.send(b"GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        assert upgraded.answer().status == 101
        for each in hanging:
            each.send(b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n")
        gateway.wait_until(lambda: len(gateway.service.requests) == 3, 5, "both are under way")
        with gateway.connect() as one_more:
            for _ in range(2):
                found = one_more.send(b"GET /quick HTTP/1.1\r\nHost: h\r\n\r\n").answer()
                assert (found.status, found.field("Retry-After")) == (503, "1")
                assert found.body == b"The gateway has all the requests under way that it may have.\n"
            go_on.set()
            assert [each.answer().status for each in hanging] == [200, 200]
            assert one_more.send(b"GET /quick HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200
    assert "oxbow_requests_shed_total 2\n" in gateway.metrics()
    gateway.wait_until(lambda: len(gateway.access_log()) >= 5, 5, "all are logged")
    shed = [line for line in gateway.access_log() if line["status"] == 503]
    assert [line["reason"] for line in shed] == ["overload"] * 2 and "failure" not in shed[0]


def test_a_lack_of_descriptors_is_said_once_and_when_it_is_over(make_gateway):
    gateway = make_gateway()
    count = len(os.listdir(f"/proc/{gateway.process.pid}/fd"))
    soft, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (count + 5, hard))
    clients = [gateway.connect() for _ in range(20)]
    gateway.wait_until(lambda: "Too many open files" in gateway.log(), 5, "it is said")
    time.sleep(1.2)
    assert gateway.log().count("Too many open files") == 1
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    time.sleep(1.2)
    assert gateway.get().status == 200
    for each in clients:
        each.socket.close()
    assert gateway.log().count("connections are taken again") == 1
