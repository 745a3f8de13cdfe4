"""HTTP/2 in front of services that speak HTTP/1.1. The clients are curl, h2load and one made of bytes."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from certificates import Authority
from gateway import GatewayUnderTest
from scripted_service import ScriptedService, json_answer

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
END_STREAM, END_HEADERS = 1, 4


class Http2Client:
    """Frames as they are. Header blocks are literals without compression, which any reader understands."""

    def __init__(self, port, window=65535):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.buffer = b""
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def frame(self, kind, flags, stream, payload=b""):
        self.socket.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)
        return self

    def request(self, stream, path="/", method="GET", ends=True, **fields):
        pairs = {":method": method, ":scheme": "http", ":path": path, ":authority": "shop.example", **fields}
        literal = lambda text: bytes([len(text)]) + text.encode()
        assert all(len(text) < 127 for pair in pairs.items() for text in pair)
        block = b"".join(b"\0" + literal(name) + literal(value) for name, value in pairs.items())
        return self.frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, block)

    def _read(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def next(self):
        """The next frame: kind, flags, stream, payload."""
        head = self._read(9)
        return head[3], head[4], struct.unpack(">I", head[5:])[0], self._read(int.from_bytes(head[:3], "big"))

    def wait_for(self, *kinds, stream=None):
        while True:
            frame = self.next()
            if frame[0] in kinds and stream in (None, frame[2]):
                return frame

    def body(self, stream):
        found = b""
        while True:
            _, flags, _, payload = self.wait_for(DATA, stream=stream)
            found += payload
            if flags & END_STREAM:
                return found


@pytest.fixture
def make_gateway(tmp_path):
    made, services = [], [ScriptedService()]

    def make(answer=lambda request, connection: json_answer('{"side":"legacy"}'), settings="", **options):
        legacy = ScriptedService(answer, **options)
        services.append(legacy)
        gateway = GatewayUnderTest(tmp_path, legacy, services[0], settings)
        gateway.service = legacy
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.kill()
    for service in services:
        service.__exit__()


def curl(*arguments, port=None, data=None, check=True):
    where = ["--http2-prior-knowledge", f"http://127.0.0.1:{port}"] if port else []
    return subprocess.run(["curl", "-s", "-S", *where, *arguments], check=check, capture_output=True, input=data, timeout=60)


def test_a_request_is_passed_on_as_http_1_1(make_gateway):
    gateway = make_gateway()
    done = curl("-i", "-H", "Cookie: a=1; b=2", "-H", "TE: trailers", "-H", "X-Mine: yes", "-H", "X-Forwarded-For: 9.9.9.9", port=gateway.port)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/2 200") and b"content-type: application/json" in head and body == b'{"side":"legacy"}'
    request = gateway.service.requests[0]
    assert (request.method, request.target, request.version) == ("GET", "/", "HTTP/1.1")
    assert request.field("Host") == f"127.0.0.1:{gateway.port}" and request.field("Cookie") == "a=1; b=2"
    assert request.field("X-Mine") == "yes" and request.field("X-Forwarded-For") == "9.9.9.9, 127.0.0.1"
    assert request.field("X-Forwarded-Proto") == "http" and request.field("Via") == "2.0 oxbow" and len(request.all("Host")) == 1


def test_http_1_and_http_2_share_a_port(make_gateway):
    gateway = make_gateway()
    assert gateway.get().status == 200
    assert curl("-w", "%{http_version}", "-o", "/dev/null", port=gateway.port).stdout == b"2"


def test_http_2_is_agreed_on_over_tls(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("gateway")
    with ScriptedService() as service:
        class OverTls(GatewayUnderTest):
            def write_spec(self, text):
                tls = f'{{ address: "127.0.0.1:{self.port}", certificate: {certificate}, key: {key} }}'
                super().write_spec(text.replace(f'"127.0.0.1:{self.port}"', tls))

        with OverTls(tmp_path, service, service) as gateway:
            url = f"https://localhost:{gateway.port}/"
            assert curl("--http2", "--cacert", authority.path, "-w", "%{http_version}", url).stdout == b"{}2"
            assert curl("--http1.1", "--cacert", authority.path, "-w", "%{http_version}", url).stdout == b"{}1.1"
            assert [request.field("X-Forwarded-Proto") for request in service.requests] == ["https", "https"]
            done = subprocess.run(["h2load", "-n", "3000", "-c", "5", "-m", "50", url], capture_output=True, text=True, timeout=60)
            assert "3000 succeeded, 0 failed" in done.stdout


def test_bodies_arrive_as_they_were_sent(make_gateway):
    def answer(request, connection):
        body = request.body[::-1]
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else json_answer("")

    gateway = make_gateway(answer)
    for size in (0, 1, 16_384, 65_535, 65_536, 3_000_000):
        body = os.urandom(size)
        assert curl("--data-binary", "@-", port=gateway.port, data=body).stdout == body[::-1]
        assert curl("-T", "-", port=gateway.port, data=body).stdout == body[::-1]  # of unknown length


def test_head_and_304_have_no_body(make_gateway):
    gateway = make_gateway(lambda request, connection: b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"
                           if request.target == "/304" else b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    assert b"content-length: 1000" in curl("-I", port=gateway.port).stdout
    assert curl("-i", "--request-target", "/304", port=gateway.port).stdout.startswith(b"HTTP/2 304")


def test_connection_fields_of_a_service_end_at_the_gateway(make_gateway):
    gateway = make_gateway(lambda request, connection: json_answer("{}", fields="Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Stays: 1\r\n"))
    head = curl("-i", port=gateway.port).stdout
    assert b"x-stays: 1" in head and b"x-hop" not in head and b"keep-alive" not in head and b"connection" not in head


def test_trailers_pass_in_both_directions(make_gateway):
    seen = []

    def answer(request, connection):
        body = request.body
        while request.method == "POST" and not body.endswith(b"\r\n\r\n"):
            body += connection.recv(1000)
        seen.append(body)
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"

    gateway = make_gateway(answer, reads_body=False)
    with Http2Client(gateway.port) as client:
        client.request(1, method="POST", ends=False).frame(DATA, 0, 1, b"hello")
        client.frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\0\x06x-mine\x015")
        client.wait_for(HEADERS, stream=1)
    assert seen[0].endswith(b"0\r\nx-mine: 5\r\n\r\n")
    done = subprocess.run(["nghttp", "-v", f"http://127.0.0.1:{gateway.port}/"], capture_output=True, timeout=20)
    assert re.search(rb"x-sum.*: 7", done.stdout)


def test_many_streams_share_a_connection(make_gateway):
    gateway = make_gateway()
    done = subprocess.run(["h2load", "-n", "5000", "-c", "2", "-m", "100", f"http://127.0.0.1:{gateway.port}/"],
                          capture_output=True, text=True, timeout=120)
    assert "5000 succeeded, 0 failed" in done.stdout, done.stdout
    assert re.search(r"status codes: 5000 2xx", done.stdout)


def test_a_large_download_that_stalls_is_not_held_and_does_not_stop_others(make_gateway):
    size = 200 << 20

    def answer(request, connection):
        if request.target == "/small":
            return json_answer("{}")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            connection.sendall(b"x" * (1 << 20))
        return b""

    gateway = make_gateway(answer)
    before = gateway.peak_rss_bytes()
    with Http2Client(gateway.port, window=1000) as client:
        client.request(1, "/large")
        assert len(client.wait_for(DATA, stream=1)[3]) == 1000  # the window: nothing more may come on this stream
        for stream in range(3, 23, 2):
            assert client.request(stream, "/small").body(stream) == b"{}"
        assert int(curl("-o", "/dev/null", "-w", "%{size_download}", port=gateway.port).stdout) == size
    assert gateway.peak_rss_bytes() - before < 8 << 20


def test_a_large_upload_waits_at_the_client_and_does_not_stop_others(make_gateway):
    go_on, size = threading.Event(), 60 << 20

    def answer(request, connection):
        if request.method == "GET":
            return json_answer("{}")
        go_on.wait(20)
        left = size - len(request.body)
        while left:
            left -= len(connection.recv(min(left, 1 << 20)))
        return json_answer("all")

    gateway = make_gateway(answer, reads_body=False)
    before = gateway.peak_rss_bytes()
    done = []
    upload = threading.Thread(target=lambda: done.append(curl("-H", f"Content-Length: {size}", "-T", "-", port=gateway.port, data=b"y" * size)))
    upload.start()
    assert curl(port=gateway.port).stdout == b"{}"
    time.sleep(0.5)
    go_on.set()
    upload.join()
    assert done[0].stdout == b"all" and gateway.peak_rss_bytes() - before < 8 << 20


def test_a_stream_that_is_reset_leaves_the_others_alone(make_gateway):
    asked, go_on = threading.Event(), threading.Event()

    def answer(request, connection):
        if request.target == "/late":
            asked.set()
            go_on.wait(20)
        return json_answer(request.target)

    gateway = make_gateway(answer)
    with Http2Client(gateway.port) as client:
        client.request(1, "/late")
        assert asked.wait(10)
        client.frame(RST_STREAM, 0, 1, struct.pack(">I", 8))
        assert client.request(3, "/other").body(3) == b"/other"
        go_on.set()
        assert client.request(5, "/more").body(5) == b"/more"
    gateway.wait_until(lambda: any(line.get("client_gone") for line in gateway.access_log()), 5, "the log says that the client had gone")


def test_a_client_that_has_gone_takes_its_requests_along_and_blames_no_service(make_gateway):
    asked, gone = threading.Semaphore(0), threading.Semaphore(0)

    def answer(request, connection):
        if request.target == "/late":
            asked.release()
            assert connection.recv(1) == b""  # the gateway gives the request up
            gone.release()
            return None
        return json_answer("{}")

    gateway = make_gateway(answer)
    with Http2Client(gateway.port) as client:
        for number in range(10):
            client.request(2 * number + 1, "/late")
            assert asked.acquire(timeout=10)
        client.frame(RST_STREAM, 0, 1, struct.pack(">I", 8))
        assert gone.acquire(timeout=10)
    for _ in range(9):
        assert gone.acquire(timeout=10)
    assert gateway.get().status == 200


def test_an_answer_that_breaks_off_resets_its_stream_only(make_gateway):
    gateway = make_gateway(lambda request, connection: json_answer("{}") if request.target == "/"
                           else connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
    with Http2Client(gateway.port) as client:
        client.request(1, "/broken")
        assert client.wait_for(DATA, stream=1)[3] == b"half"
        assert client.wait_for(RST_STREAM, DATA, stream=1)[::3] == (RST_STREAM, struct.pack(">I", 2))
        assert client.request(3).body(3) == b"{}"


def test_a_body_of_a_known_length_is_over_with_its_last_byte(make_gateway):
    gateway = make_gateway(lambda request, connection: json_answer(request.body.decode()))
    with Http2Client(gateway.port) as client:
        client.request(1, method="POST", ends=False, **{"content-length": "5"}).frame(DATA, 0, 1, b"hello")
        assert client.body(1) == b"hello"
        client.frame(DATA, END_STREAM, 1)
        assert client.request(3).wait_for(RST_STREAM, HEADERS)[::2] == (HEADERS, 3)


def test_an_answer_before_the_end_of_the_body_tells_the_client_to_stop(make_gateway):
    gateway = make_gateway(lambda request, connection: connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n"),
                           reads_body=False)
    with Http2Client(gateway.port) as client:
        client.request(1, method="POST", ends=False).frame(DATA, 0, 1, b"z" * 1000)
        assert client.body(1) == b"no\n"
        assert client.wait_for(RST_STREAM, stream=1)[3] == struct.pack(">I", 0)


def test_more_streams_than_allowed_are_refused(make_gateway):
    go_on = threading.Event()
    gateway = make_gateway(lambda request, connection: go_on.wait(20) and json_answer("{}"))
    with Http2Client(gateway.port) as client:
        for number in range(101):
            client.request(2 * number + 1)
        assert client.wait_for(RST_STREAM)[2:] == (201, struct.pack(">I", 7))
        go_on.set()
        client.wait_for(HEADERS, stream=1)


def hold_heads(client):
    for number in range(100):
        client.request(2 * number + 1, **{f"x-{field}": "v" * 120 for field in range(90)})


def hold_bodies(client):
    """As much as the windows allow, which no service answers."""
    window = 65535 + struct.unpack(">I", client.wait_for(WINDOW_UPDATE, stream=0)[3])[0]
    for number in range(min(100, window // 60_000)):
        client.request(2 * number + 1, method="POST", ends=False)
        for last in (0, 0, 0, END_STREAM):
            client.frame(DATA, last, 2 * number + 1, b"z" * 15_000)


def hold_answers(client):
    """The client never opens the windows of its streams."""
    for number in range(100):
        client.request(2 * number + 1, "/large")


@pytest.mark.parametrize("hold", [hold_heads, hold_bodies, hold_answers])
def test_a_hostile_connection_makes_the_gateway_hold_little(make_gateway, hold):
    """Little more, that is, than one with as many ordinary requests under way."""
    asked, go_on = [], threading.Event()

    def answer(request, connection):
        asked.append(request)
        if request.target == "/large":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
        elif request.target == "/ordinary":
            connection.recv(1)  # until the gateway gives it up
        else:
            go_on.wait(60)

    def settled():
        seen = -1
        while seen < len(asked):
            seen = len(asked)
            time.sleep(1)
        return seen

    gateway, connections = make_gateway(answer), 4
    ordinary = [Http2Client(gateway.port) for _ in range(connections)]
    for client in ordinary:
        for number in range(100):
            client.request(2 * number + 1, "/ordinary")
    gateway.wait_until(lambda: len(asked) == 100 * connections, 20, "all ordinary requests are under way")
    for client in ordinary:
        client.socket.close()
    before = gateway.peak_rss_bytes()
    hostile = [Http2Client(gateway.port, window=0) for _ in range(connections)]
    for client in hostile:
        hold(client)
    requests = settled() - 100 * connections
    held = (gateway.peak_rss_bytes() - before) / connections
    go_on.set()
    for client in hostile:
        client.socket.close()
    assert requests >= 4 * connections and held <= 1 << 20, f"{requests} requests, {held / 1024:.0f} KiB a connection"


def test_heads_that_are_too_large_together_are_refused_and_may_be_sent_again(make_gateway):
    go_on = threading.Event()
    gateway = make_gateway(lambda request, connection: go_on.wait(20) and json_answer("{}"))
    with Http2Client(gateway.port) as client:
        hold_heads(client)
        _, _, stream, why = client.wait_for(RST_STREAM)
        assert stream > 2 * 10 and why == struct.pack(">I", 7)  # REFUSED_STREAM
        go_on.set()
        assert client.body(1) == b"{}"
        assert client.request(201).body(201) == b"{}"


def test_rapid_resets_end_the_connection_and_buy_no_work(make_gateway):
    gateway = make_gateway(lambda request, connection: json_answer("{}") if request.target == "/" else connection.recv(1) and None)
    with Http2Client(gateway.port) as client:
        try:
            for number in range(5000):
                client.request(2 * number + 1, "/late").frame(RST_STREAM, 0, 2 * number + 1, struct.pack(">I", 8))
        except ConnectionError:
            pass
        with pytest.raises((EOFError, ConnectionError)):
            while True:
                client.next()
    assert len(gateway.service.requests) <= 400
    assert gateway.get().status == 200


def test_a_header_that_is_too_large_is_refused_alone(make_gateway):
    gateway = make_gateway(settings="  limits: { header_bytes: 4kB }")
    with Http2Client(gateway.port) as client:
        client.request(1, **{f"x-{number}": "v" * 100 for number in range(60)})
        assert b"too large" in client.body(1)
        assert client.request(3).body(3) == b'{"side":"legacy"}'
    assert len(gateway.service.requests) == 1


@pytest.mark.parametrize("fields", [{":path": "/ HTTP/1.1"}, {":path": "nowhere"}, {":method": "A B"}, {":authority": "a b"},
                                    {"x": "1\r\nY: 2"}, {"x y": "1"}, {"transfer-encoding": "chunked"}, {"connection": "x"},
                                    {"content-length": "5"}], ids=str)
def test_what_http_1_cannot_say_is_never_passed_on(make_gateway, fields):
    gateway = make_gateway()
    with Http2Client(gateway.port) as client:
        client.request(1, **fields)
        kind, _, _, _ = client.wait_for(HEADERS, RST_STREAM, GOAWAY)
        if kind == HEADERS:
            assert client.body(1) != b'{"side":"legacy"}'
    assert not gateway.service.requests


def test_what_is_no_http_2_ends(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").read_rest()
    with gateway.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.answer().status == 200
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.answer().status == 505


def test_an_idle_connection_and_a_stalled_body_are_let_go(make_gateway):
    gateway = make_gateway(settings="  limits: { idle_time: 1s, body_time: 1s }")
    with Http2Client(gateway.port) as idle, Http2Client(gateway.port) as stalled:
        stalled.request(1, method="POST", ends=False)
        assert stalled.wait_for(RST_STREAM, stream=1)
        with pytest.raises((EOFError, ConnectionError)):
            while True:
                idle.next()


def test_sigterm_lets_streams_under_way_end_and_says_goaway(make_gateway):
    asked, go_on = threading.Event(), threading.Event()

    def answer(request, connection):
        asked.set()
        go_on.wait(20)
        return json_answer("late")

    gateway = make_gateway(answer)
    with Http2Client(gateway.port) as client, Http2Client(gateway.port) as idle:
        idle.wait_for(SETTINGS)
        client.request(1)
        assert asked.wait(10)
        gateway.process.send_signal(signal.SIGTERM)
        assert client.wait_for(GOAWAY)[3][:4] == struct.pack(">I", 1) and idle.wait_for(GOAWAY)
        go_on.set()
        assert client.body(1) == b"late"
        client.socket.close()
        idle.socket.close()
        assert gateway.wait_for_exit() == 0


def test_the_access_log_has_a_line_for_every_stream(make_gateway):
    gateway = make_gateway()
    curl("--request-target", "/a?b=1", port=gateway.port)
    line = gateway.access_log()[0]
    assert (line["method"], line["target"], line["status"]) == ("GET", "/a?b=1", 200), json.dumps(line)


def test_streams_beyond_the_requests_that_services_may_be_asked_are_refused(make_gateway):
    go_on = threading.Event()
    gateway = make_gateway(lambda request, connection: go_on.wait(20) and json_answer("{}"), settings="  limits: { requests: 2 }")
    with Http2Client(gateway.port) as client:
        for stream in (1, 3, 5):
            client.request(stream, "/")
        assert client.body(5) == b"The gateway has all the requests under way that it may have.\n"
        go_on.set()
        assert client.body(1) == b"{}"
    assert "oxbow_requests_shed_total 1\n" in gateway.metrics()
