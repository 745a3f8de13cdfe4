"""Errors of the gateway that were found and mended, on real sockets."""

import contextlib
import os
import resource
import socket
import struct
import threading
import time

import pytest

from gateway import GatewayUnderTest
from scripted_service import ScriptedService, json_answer, read_until


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


def test_options_and_trace_go_no_further_than_they_may(make_gateway):
    gateway = make_gateway()
    found = gateway.get("/a", "Max-Forwards: 0\r\n", "OPTIONS")
    assert (found.status, found.body) == (200, b"")
    found = gateway.get("/a?b", "Max-Forwards: 0\r\nVia: 1.1 a\r\nX-Sso: 1\r\nCookie: s=1\r\nAuthorization: Basic x\r\n", "TRACE")
    assert (found.status, found.field("Content-Type")) == (200, "message/http")
    assert found.body == b"TRACE /a?b HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 0\r\nVia: 1.1 a\r\n\r\n"
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
            with gateway.connect() as uploading:
                assert uploading.send(b"POST /quick HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n").answer().status == 503
            go_on.set()
            assert [each.answer().status for each in hanging] == [200, 200]
            assert one_more.send(b"GET /quick HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200
    assert "oxbow_requests_shed_total 3\n" in gateway.metrics()
    assert 'status="5xx"' not in gateway.metrics(), "no side was asked"
    gateway.wait_until(lambda: len(gateway.access_log()) >= 6, 5, "all are logged")
    shed = [line for line in gateway.access_log() if line["status"] == 503]
    assert [line["reason"] for line in shed] == ["overload"] * 3 and "failure" not in shed[0]


def test_an_answer_that_has_begun_takes_no_place_of_another(make_gateway):
    over = threading.Event()

    def answer(request, connection):
        if request.target == "/quick":
            return json_answer("{}")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        return over.wait(20) and None

    gateway = make_gateway(answer, settings="  limits: { requests: 1 }")
    with gateway.connect() as one, gateway.connect() as two:
        for each in (one, two):
            each.send(b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
            read_until(each.socket, each.buffer, b"data: 1\n\n")
        assert gateway.get("/quick").status == 200
        over.set()


def test_a_slow_upload_takes_no_place_of_another(make_gateway):
    def answer(request, connection):
        if request.method == "POST":
            body = bytearray(request.body)
            read_until(connection, body, b"end")
        return json_answer("{}")

    gateway = make_gateway(answer, reads_body=False, settings="  limits: { requests: 1 }")
    with gateway.connect() as one, gateway.connect() as two:
        for number, each in enumerate((one, two), 1):
            each.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
            gateway.wait_until(lambda: len(gateway.service.requests) == number, 5, "it is on its way")
        assert gateway.get().status == 200
        assert [each.send(b"end").answer().status for each in (one, two)] == [200, 200]


def test_a_service_that_answers_nothing_is_tried_once_in_a_while_and_by_nobody_in_vain(make_gateway):
    hangs = threading.Event()
    hangs.set()

    def answer(request, connection):
        while hangs.is_set():
            time.sleep(0.05)
        return json_answer("{}")

    gateway = make_gateway(answer, settings="  limits: { answer_time: 500ms }\n  health: { failures: 2 }")
    assert [gateway.get().status for _ in range(2)] == [504, 504]
    since = time.monotonic()
    answers = [gateway.get() for _ in range(10)]
    assert [each.status for each in answers] == [504] * 10
    asked = len(gateway.service.requests) - 2
    assert asked <= time.monotonic() - since, "one a second"
    assert [each.field("Retry-After") for each in answers].count("1") == 10 - asked
    assert f'oxbow_requests_not_passed_on_total{{side="legacy"}} {10 - asked}\n' in gateway.metrics()
    assert "the legacy service has begun no answer in time to the last 2 requests" in gateway.log()
    hangs.clear()
    gateway.wait_until(lambda: gateway.get().status == 200, 5, "it has been tried")
    assert [gateway.get().status for _ in range(5)] == [200] * 5
    assert gateway.log().count("the legacy service answers again") == 1


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


EMPTY_WITH_TRAILER = CHUNKED + b"0\r\nX-T: 1\r\n\r\n"


def test_an_empty_body_with_trailers_ends_where_it_ends(make_gateway):
    """What comes behind it on a kept connection would be the beginning of somebody else's request."""
    got = []

    def answer(request, connection):
        if request.method == "POST":
            body = bytearray(request.body)
            got.append(read_until(connection, body, b"\r\n\r\n") if b"\r\n\r\n" not in body else bytes(body))
        return json_answer('"for %s"' % request.target)

    gateway = make_gateway(answer, reads_body=False)
    with gateway.connect() as one, gateway.connect() as two:
        for number in range(50):
            assert one.send(EMPTY_WITH_TRAILER).answer().body == b'"for /a"'
            two.send(b"GET /two/%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
            assert two.answer().body == b'"for /two/%d"' % number, "nobody gets the answer to another's request"
    assert set(got) == {b"0\r\nX-T: 1\r\n\r\n"}


def test_an_interim_answer_is_an_answer_so_nothing_is_sent_again(make_gateway):
    def answer(request, connection):
        if request.target == "/quick":
            return json_answer("{}")
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        return None

    gateway = make_gateway(answer)
    with gateway.connect() as client:
        assert client.send(b"GET /quick HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200
        client.send(b"DELETE /b HTTP/1.1\r\nHost: h\r\n\r\n")
        assert [client.answer().status for _ in range(2)] == [103, 502]
    assert [request.target for request in gateway.service.requests].count("/b") == 1


def test_one_slow_url_shuts_nobody_else_out(make_gateway):
    over = threading.Event()

    def answer(request, connection):
        if request.target == "/report":
            return over.wait(20) and None
        time.sleep(0.1)
        return json_answer("{}")

    gateway = make_gateway(answer, settings="  limits: { answer_time: 300ms }")
    assert [gateway.get("/report").status for _ in range(3)] == [504] * 3
    assert "few are passed on" in gateway.log()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(20)]
        for number, client in enumerate(clients):
            client.send(b"GET /page/%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
        assert [client.answer().status for client in clients] == [200] * 20
    over.set()


def test_who_is_refused_with_a_whole_body_keeps_his_connection(make_gateway):
    go_on = threading.Event()

    def answer(request, connection):
        if request.target == "/hang":
            go_on.wait(20)
        return json_answer("{}")

    gateway = make_gateway(answer, settings="  limits: { requests: 1 }")
    with gateway.connect() as hanging, gateway.connect() as client:
        hanging.send(b"GET /hang HTTP/1.1\r\nHost: h\r\n\r\n")
        gateway.wait_until(lambda: gateway.service.requests, 5, "it is under way")
        found = client.send(b"POST /quick HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi").answer()
        assert (found.status, found.field("Connection")) == (503, None)
        go_on.set()
        assert hanging.answer().status == 200
        assert client.send(b"GET /quick HTTP/1.1\r\nHost: h\r\n\r\n").answer().status == 200


def test_the_limit_of_requests_holds_for_who_has_waited_for_a_service_that_is_back(make_gateway):
    hangs, go_on, lock, now = threading.Event(), threading.Event(), threading.Lock(), [0, 0]
    hangs.set()

    def answer(request, connection):
        if hangs.is_set():
            time.sleep(0.6)
            return json_answer("{}")
        with lock:
            now[0] += 1
            now[1] = max(now)
        go_on.wait(5)
        time.sleep(0.2)
        with lock:
            now[0] -= 1
        return json_answer("{}")

    gateway = make_gateway(answer, settings="  limits: { requests: 10, answer_time: 400ms }")
    assert [gateway.get("/report").status for _ in range(3)] == [504] * 3
    hangs.clear()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(40)]
        for number, client in enumerate(clients):
            client.send(b"GET /page/%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
        gateway.wait_until(lambda: now[0] >= 4, 5, "a few are asked in front")
        go_on.set()
        answers = [client.answer().status for client in clients]
    assert now[1] <= 10 and set(answers) == {200, 503}, (now, answers)
