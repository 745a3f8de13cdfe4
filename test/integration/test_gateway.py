"""The gateway as a proxy: real sockets, a service and clients that decide about every byte."""

import hashlib
import os
import resource
import signal
import socket
import threading
import time

import pytest

from gateway import GatewayUnderTest
from scripted_service import ScriptedService, json_answer


@pytest.fixture
def new_service():
    with ScriptedService(lambda request, connection: json_answer('{"side":"new"}')) as service:
        yield service


@pytest.fixture
def make_gateway(tmp_path, new_service):
    made, services = [], []

    def make(answer=lambda request, connection: json_answer('{"side":"legacy"}'), settings="", legacy_more="", **options):
        legacy = ScriptedService(answer, **options)
        services.append(legacy)
        gateway = GatewayUnderTest(tmp_path, legacy, new_service, settings, legacy_more)
        gateway.service = legacy
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.kill()
    for service in services:
        service.__exit__()


HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def test_an_unlisted_route_goes_to_legacy_and_says_who_asked(make_gateway, new_service):
    gateway = make_gateway()
    answer = gateway.get("/a/b?c=d", "X-Forwarded-For: 9.9.9.9\r\nCookie: x=y\r\nConnection: X-Drop\r\nX-Drop: 1\r\n")
    assert (answer.status, answer.body) == (200, b'{"side":"legacy"}')
    request = gateway.service.requests[0]
    assert (request.method, request.target, request.field("Host")) == ("GET", "/a/b?c=d", "shop.example")
    assert request.field("X-Forwarded-For") == "9.9.9.9, 127.0.0.1"
    assert (request.field("X-Forwarded-Proto"), request.field("X-Forwarded-Host")) == ("http", "shop.example")
    assert request.field("Cookie") == "x=y" and request.field("X-Drop") is None
    assert request.field("Via") == "1.1 oxbow" and len(request.field("traceparent")) == 55
    assert not new_service.requests


def test_connections_are_kept_on_both_sides(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        for _ in range(20):
            assert client.send(HEAD).answer().status == 200
    assert gateway.service.connections == 1


def test_a_hundred_pipelined_requests_get_their_answers_in_order(make_gateway):
    gateway = make_gateway(lambda request, connection: json_answer(request.target))
    with gateway.connect() as client:
        client.send(b"".join(f"GET /{i} HTTP/1.1\r\nHost: h\r\n\r\n".encode() for i in range(100)))
        assert [client.answer().body for _ in range(100)] == [f"/{i}".encode() for i in range(100)]


def test_http_1_0_gets_a_plain_answer_and_the_end_of_the_connection(make_gateway):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    gateway = make_gateway(lambda request, connection: chunked)
    with gateway.connect() as client:
        rest = client.send(b"GET / HTTP/1.0\r\n\r\n").read_rest()
    head, _, body = rest.partition(b"\r\n\r\n")
    assert body == b"hello world" and b"Connection: close" in head and b"chunked" not in head


def test_http_1_0_may_ask_for_the_connection_to_stay(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        for _ in range(3):
            answer = client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer()
            assert answer.field("Connection") == "keep-alive"


def test_a_client_that_has_ended_its_side_still_gets_its_answer(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        assert client.send(HEAD).end_of_input().answer().body == b'{"side":"legacy"}'


def test_head_has_no_body_and_the_connection_goes_on(make_gateway):
    gateway = make_gateway(lambda request, connection: b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
                           if request.method == "HEAD" else json_answer("{}"))
    with gateway.connect() as client:
        answer = client.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").answer("HEAD")
        assert answer.field("Content-Length") == "1000"
        assert client.send(HEAD).answer().body == b"{}"


def test_bodies_of_any_framing_arrive_as_they_were_sent(make_gateway):
    gateway = make_gateway(lambda request, connection: json_answer(hashlib.sha256(request.body).hexdigest()))
    for size in (0, 1, 4000, 5000, 100_000, 3_000_000):
        body = os.urandom(size)
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7001]), body[i:i + 7001]) for i in range(0, size, 7001))
        with gateway.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (size, body))
            assert client.answer().body == hashlib.sha256(body).hexdigest().encode()
            client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
            assert client.answer().body == hashlib.sha256(body).hexdigest().encode()


def test_trailers_pass_in_both_directions(make_gateway):
    answer = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")
    gateway = make_gateway(lambda request, connection: answer)
    with gateway.connect() as client:
        rest = client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTE: trailers\r\n\r\n").read_rest()
    assert rest.endswith(b"2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")


def test_a_large_download_is_never_held_whole(make_gateway):
    size = 400 << 20

    def answer(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        block = b"x" * (1 << 20)
        for _ in range(size >> 20):
            connection.sendall(block)
        return b""

    gateway = make_gateway(answer)
    before = gateway.peak_rss_bytes()
    with gateway.connect() as client:
        client.send(HEAD)
        received = 0
        while received < size:
            received += len(client.socket.recv(1 << 20))
    assert gateway.peak_rss_bytes() - before < 8 << 20


def test_a_large_upload_is_never_held_whole_even_before_a_slow_service(make_gateway):
    size, read = 200 << 20, []

    def answer(request, connection):
        time.sleep(0.5)  # the service is slow: what comes meanwhile must wait at the client
        left = size - len(request.body)
        while left:
            left -= len(connection.recv(min(left, 1 << 20)))
        read.append(size)
        return json_answer("{}")

    gateway = make_gateway(answer, reads_body=False)
    before = gateway.peak_rss_bytes()
    with gateway.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            client.send(b"y" * (1 << 20))
        assert client.answer().status == 200
    assert read == [size] and gateway.peak_rss_bytes() - before < 8 << 20


def test_a_client_may_wait_for_100_continue(make_gateway):
    def answer(request, connection):
        assert request.field("Expect") == "100-continue"
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = request.body or connection.recv(100)
        return json_answer(body.decode())

    gateway = make_gateway(answer, reads_body=False)
    with gateway.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        assert client.send(b"hello").answer().body == b"hello"


def test_a_refusal_before_the_body_reaches_the_client(make_gateway):
    def answer(request, connection):
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
        return None

    gateway = make_gateway(answer, reads_body=False)
    with gateway.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n")

        def push():
            try:
                for _ in range(50):
                    client.send(b"z" * 1_000_000)
            except OSError:
                pass

        pusher = threading.Thread(target=push)
        pusher.start()
        answer = client.answer()
        assert (answer.status, answer.body) == (413, b"no\n")
        client.socket.close()
        pusher.join()


def test_an_upgrade_becomes_a_tunnel(make_gateway):
    def answer(request, connection):
        assert (request.field("Upgrade"), request.field("Connection")) == ("websocket", "Upgrade")
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nready ")
        while data := connection.recv(1000):
            connection.sendall(data.upper())

    gateway = make_gateway(answer)
    with gateway.connect() as client:
        client.send(b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nfirst ")
        answer = client.answer()
        assert (answer.status, answer.field("Upgrade")) == (101, "websocket")
        client.send(b"second").end_of_input()
        assert client.read_rest() == b"ready FIRST SECOND"


SMUGGLED = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length and coding": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "odd coding": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "space before colon": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\nhello",
    "folded": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare line feed inside": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\nContent-Length: 5\r\n\r\n",
    "zero byte": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "huge chunk size": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n",
    "signed length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello",
    "header bomb": b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n",
    "long header": b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "long target": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("what", SMUGGLED)
def test_an_ambiguous_request_is_answered_and_never_passed_on(make_gateway, what):
    gateway = make_gateway()
    with gateway.connect() as client:
        client.send(SMUGGLED[what] + HEAD)
        answer = client.answer()
        assert answer.status in (400, 414, 431, 501, 502), answer.head
        assert client.read_rest() == b""
    assert all(request.target == "/" and request.method == "POST" for request in gateway.service.requests)
    assert what == "huge chunk size" or not gateway.service.requests


def test_an_absolute_target_is_passed_on_as_a_path_with_its_own_host(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        client.send(b"GET http://real.example:8080/a?b HTTP/1.1\r\nHost: other\r\n\r\n").answer()
    assert (gateway.service.requests[0].target, gateway.service.requests[0].all("Host")) == ("/a?b", ["real.example:8080"])


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"


@pytest.mark.parametrize("bytes_sent", [0, 5, 20, 37, 38, 40, 47])
def test_a_service_that_dies_amid_its_answer_gives_an_error_or_a_visible_cut(make_gateway, new_service, bytes_sent):
    def answer(request, connection):
        connection.sendall(WHOLE[:bytes_sent])

    gateway = make_gateway(answer)
    found = gateway.get()
    if bytes_sent < len(WHOLE) - 10:
        assert found.status == 502 and b"legacy" in found.body
    else:
        assert found.status == 200 and not found.is_whole
        assert b"0123456789".startswith(found.body)
    assert not new_service.requests


def test_a_cut_inside_chunks_is_visible(make_gateway):
    def answer(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

    gateway = make_gateway(answer)
    found = gateway.get()
    assert found.status == 200 and not found.is_whole


def test_a_cut_before_the_end_of_the_connection_is_an_error_for_http_1_0(make_gateway):
    def answer(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

    gateway = make_gateway(answer)
    with gateway.connect() as client, pytest.raises(ConnectionResetError):
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        while client.socket.recv(100):
            pass


def test_a_broken_answer_is_a_bad_gateway(make_gateway):
    gateway = make_gateway(lambda request, connection: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
    assert gateway.get().status == 502


def test_a_kept_connection_that_the_service_closed_is_not_an_error(make_gateway):
    def answer(request, connection):
        connection.sendall(json_answer("{}"))

    gateway = make_gateway(answer)
    with gateway.connect() as client:
        for _ in range(10):
            assert client.send(HEAD).answer().status == 200
            time.sleep(0.01)
        for _ in range(10):
            client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
            assert client.answer().status == 200
            time.sleep(0.01)


def test_a_service_that_is_away_is_said_to_be(make_gateway):
    gateway = make_gateway()
    gateway.service.close()
    found = gateway.get()
    assert found.status == 503 and found.field("Retry-After") == "1"
    line = gateway.access_log()[-1]
    assert line["failure"].startswith("A server cannot be reached") and line["bytes_out"] == len(found.body)


def test_a_service_that_does_not_answer_is_a_timeout(make_gateway):
    silence = threading.Event()
    gateway = make_gateway(lambda request, connection: silence.wait(20) and None, "  limits: { answer_time: 500ms }")
    assert gateway.get().status == 504
    silence.set()


def test_slow_clients_are_let_go(make_gateway):
    gateway = make_gateway(settings="  limits: { header_time: 500ms, idle_time: 700ms, body_time: 500ms }")
    with gateway.connect() as slow_header, gateway.connect() as idle, gateway.connect() as slow_body:
        slow_header.send(b"GET / HT")
        slow_body.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhel")
        started = time.monotonic()
        assert slow_header.answer().status == 408 and slow_body.answer().status == 408
        assert slow_header.is_closed() and slow_body.is_closed() and idle.is_closed()
        assert time.monotonic() - started < 5
    assert gateway.get().status == 200


def test_a_client_that_does_not_read_costs_no_memory(make_gateway):
    def answer(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 << 20))
        for _ in range(200):
            connection.sendall(b"x" * (1 << 20))

    gateway = make_gateway(answer, "  limits: { body_time: 1s }")
    before = gateway.peak_rss_bytes()
    with gateway.connect() as client:
        client.send(HEAD)
        gateway.wait_until(lambda: any(line["client_gone"] for line in gateway.access_log()), 10, "it is let go")
    assert gateway.peak_rss_bytes() - before < 8 << 20


def test_requests_go_to_every_address_and_around_one_that_is_away(tmp_path, new_service):
    with ScriptedService(lambda request, connection: json_answer("1")) as one, \
            ScriptedService(lambda request, connection: json_answer("2")) as two:
        with GatewayUnderTest(tmp_path, [one, two], new_service) as gateway:
            assert {gateway.get().body for _ in range(10)} == {b"1", b"2"}
            one.close()
            assert {gateway.get().body for _ in range(20)} == {b"2"}


def test_what_one_address_breaks_off_another_answers_if_it_may_be_sent_twice(tmp_path, new_service):
    with ScriptedService(lambda request, connection: None) as broken, \
            ScriptedService(lambda request, connection: json_answer("2")) as well:
        with GatewayUnderTest(tmp_path, [broken, well], new_service, "  health: { every: 10s, failures: 1000 }") as gateway:
            for _ in range(6):
                assert gateway.get().body == b"2"
            assert len(broken.requests) >= 3  # its turn comes all the same
            asked = len(broken.requests) + len(well.requests)
            assert {gateway.get(method="POST").status for _ in range(4)} == {200, 502}
            assert len(broken.requests) + len(well.requests) == asked + 4


def test_an_address_that_fails_its_health_check_gets_no_requests(tmp_path, new_service):
    sick = threading.Event()

    def answer(request, connection):
        return json_answer("1", "500 Sick" if sick.is_set() and request.target == "/health" else "200 OK")

    with ScriptedService(answer) as one, ScriptedService(lambda request, connection: json_answer("2")) as two:
        with GatewayUnderTest(tmp_path, [one, two], new_service, "  health: { every: 100ms, failures: 1 }",
                              ", health: /health") as gateway:
            assert {gateway.get().body for _ in range(10)} == {b"1", b"2"}
            sick.set()
            gateway.wait_until(lambda: {gateway.get().body for _ in range(6)} == {b"2"}, 5, "the sick one is left alone")
            assert f"{one.url} is unhealthy and gets no requests: its health answer is 500\n" in gateway.log()
            sick.clear()
            gateway.wait_until(lambda: {gateway.get().body for _ in range(6)} == {b"1", b"2"}, 5, "it is healthy again")
            one.close()
            gone = f"{one.url} is unhealthy and gets no requests: Connection refused\n"
            gateway.wait_until(lambda: gone in gateway.log(), 5, "it is gone")


def test_services_may_listen_on_unix_sockets(tmp_path, new_service):
    with ScriptedService(lambda request, connection: json_answer("unix"), path=str(tmp_path / "s.sock")) as service:
        with GatewayUnderTest(tmp_path, service, new_service) as gateway:
            assert gateway.get().body == b"unix"


def test_more_connections_than_allowed_are_turned_away(make_gateway):
    gateway = make_gateway(settings="  limits: { connections: 3 }")
    clients = [gateway.connect() for _ in range(3)]
    for client in clients:
        assert client.send(HEAD).answer().status == 200
    with gateway.connect() as one_more:
        found = one_more.answer()
        assert found.status == 503 and found.field("Retry-After") == "1" and found.is_whole
        assert found.body == b"The gateway has all the connections it may have.\n"
    clients.pop().socket.close()
    gateway.wait_until(lambda: gateway.get().status == 200, 5, "there is room again")
    for client in clients:
        client.socket.close()


def test_sigterm_lets_requests_under_way_end(make_gateway):
    under_way, go_on = threading.Event(), threading.Event()

    def answer(request, connection):
        under_way.set()
        go_on.wait(20)
        return json_answer("late")

    gateway = make_gateway(answer)
    with gateway.connect() as idle, gateway.connect() as busy:
        busy.send(HEAD)
        assert under_way.wait(10)
        gateway.process.send_signal(signal.SIGTERM)
        assert idle.is_closed()
        with pytest.raises(OSError):
            gateway.connect()
        go_on.set()
        found = busy.answer()
        assert (found.body, found.field("Connection")) == (b"late", "close")
        assert gateway.wait_for_exit() == 0


def test_the_access_log_has_a_line_of_json_for_every_request(make_gateway):
    gateway = make_gateway()
    gateway.get('/a"b\\c%20?x=1')
    line = gateway.access_log()[0]
    assert (line["method"], line["target"], line["status"], line["side"]) == ("GET", '/a"b\\c%20?x=1', 200, "legacy")
    assert line["ms"] > 0 and line["bytes_out"] == len('{"side":"legacy"}') and line["shadow"] == "not_wanted"


def test_metrics_count_requests_connections_and_who_is_left_alone(make_gateway):
    def answer(request, connection):
        return json_answer("{}", "404 Not Found" if request.target == "/unknown" else "200 OK")

    gateway = make_gateway(answer)
    for target in ("/", "/", "/unknown"):
        gateway.get(target)
    with gateway.connect() as client:
        assert client.send(b"no request\r\n\r\n").answer().status == 400
    gateway.service.close()
    assert [gateway.get().status for _ in range(5)] == [503] * 5
    with gateway.connect():
        gateway.wait_until(lambda: "oxbow_connections 1" in gateway.metrics(), 5, "the connection is counted")
    found = gateway.metrics().splitlines()
    for line in ('oxbow_requests_total{side="legacy",status="2xx"} 2', 'oxbow_requests_total{side="legacy",status="4xx"} 1',
                 'oxbow_requests_total{side="legacy",status="5xx"} 5', 'oxbow_requests_refused_total 1',
                 'oxbow_request_seconds_bucket{side="legacy",le="+Inf"} 8', 'oxbow_request_seconds_count{side="legacy"} 8',
                 'oxbow_request_seconds_count{side="new"} 0', "oxbow_shadow_memory_bytes 0",
                 f'oxbow_service_left_alone{{side="legacy",address="{gateway.service.url}"}} 1'):
        assert line in found, line
    assert f"the legacy service {gateway.service.url} has failed" in gateway.oxbow("status").stdout


def test_an_address_that_is_taken_is_named(tmp_path, new_service):
    with GatewayUnderTest(tmp_path, new_service, new_service) as gateway:
        other = tmp_path / "other"
        other.mkdir()
        with open(tmp_path / "oxbow.yaml", encoding="utf-8") as file, open(other / "oxbow.yaml", "w", encoding="utf-8") as copy:
            copy.write(file.read())
        done = gateway.oxbow("--spec", str(other / "oxbow.yaml"), "--state", str(other), "up", check=False)
        assert done.returncode == 42 and f"cannot listen on 127.0.0.1:{gateway.port}" in done.stderr


def test_ten_thousand_idle_connections_cost_less_than_ten_kilobytes_each(make_gateway):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gateway = make_gateway()
    assert gateway.get().status == 200
    before = gateway.peak_rss_bytes()
    clients = []
    for _ in range(10_000):
        clients.append(socket.create_connection(("127.0.0.1", gateway.port)))
    for client in clients:
        client.sendall(HEAD)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    per_connection = (gateway.peak_rss_bytes() - before) / len(clients)
    for client in clients:
        client.close()
    assert per_connection < 10_000, per_connection
