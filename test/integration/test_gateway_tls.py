"""TLS on both sides of the gateway, with certificates of a private authority."""

import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from certificates import Authority
from cluster import free_port
from gateway import GatewayUnderTest
from scripted_service import RawClient, ScriptedService, json_answer

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class TlsGateway(GatewayUnderTest):
    """Listens on a second port with TLS, beside the plain one."""

    def __init__(self, directory, legacy, new, authority, settings="", legacy_more=""):
        self.authority = authority
        self.identity = authority.issue("gateway")
        self.tls_port = free_port()
        self.context = ssl.create_default_context(cafile=authority.path)
        super().__init__(directory, legacy, new, settings, legacy_more)

    def write_spec(self, text):
        certificate, key = self.identity
        tls = f'{{ address: "127.0.0.1:{self.tls_port}", certificate: {certificate}, key: {key} }}'
        super().write_spec(text.replace(f'"127.0.0.1:{self.port}" ]', f'"127.0.0.1:{self.port}", {tls} ]'))

    def connect(self, **options):
        return RawClient(self.tls_port, **{"tls": self.context, **options})

    def connect_plainly(self):
        return RawClient(self.tls_port)

    def name_shown(self):
        """The common name of the certificate that a new client is shown."""
        with self.connect() as client:
            return dict(part[0] for part in client.socket.getpeercert()["subject"])["commonName"]


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def make_gateway(tmp_path, authority):
    made, services = [], [ScriptedService()]

    def make(answer=lambda request, connection: json_answer('{"side":"legacy"}'), settings="", legacy_more="",
             url=lambda service: service.url, **options):
        legacy = ScriptedService(answer, **options)
        services.append(legacy)
        legacy.url = url(legacy)
        gateway = TlsGateway(tmp_path, legacy, services[0], authority, settings, legacy_more)
        gateway.service = legacy
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.kill()
    for service in services:
        service.__exit__()


# ---- listeners ----

def test_a_request_over_tls_is_passed_on_as_https(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        assert client.socket.version() == "TLSv1.3"
        for _ in range(3):
            assert client.send(HEAD).answer().body == b'{"side":"legacy"}'
    assert gateway.service.requests[0].field("X-Forwarded-Proto") == "https"
    with RawClient(gateway.port) as client:
        assert client.send(HEAD).answer().status == 200
    assert gateway.service.requests[-1].field("X-Forwarded-Proto") == "http"


def test_tls_1_2_is_spoken_and_nothing_older(make_gateway):
    gateway = make_gateway()
    gateway.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with gateway.connect() as client:
        assert client.socket.version() == "TLSv1.2" and client.socket.cipher()[0].startswith("ECDHE-")
        assert client.send(HEAD).answer().status == 200
    old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}", "-tls1_1", "-cipher", "ALL@SECLEVEL=0"],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert "protocol version" in old.stderr and "Cipher is (NONE)" in old.stdout


def test_the_protocol_is_agreed_on_and_an_unknown_one_is_refused(make_gateway):
    gateway = make_gateway()
    gateway.context.set_alpn_protocols(["spdy/1", "http/1.1"])
    with gateway.connect() as client:
        assert client.socket.selected_alpn_protocol() == "http/1.1"
    gateway.context.set_alpn_protocols(["spdy/1"])
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        gateway.connect()


def test_the_end_of_an_answer_without_a_length_is_said_in_tls(make_gateway):
    """Else nobody could tell it from an answer that was cut off."""
    gateway = make_gateway(lambda request, connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it"))
    with gateway.connect() as client:
        client.socket.suppress_ragged_eofs = False
        answer = client.send(b"GET / HTTP/1.0\r\n\r\n").answer()
        assert (answer.body, answer.is_whole) == (b"all of it", True)


def test_bodies_arrive_as_they_were_sent(make_gateway):
    gateway = make_gateway(lambda request, connection: json_answer(request.body.hex()))
    for size in (1, 5000, 16384, 16385, 300_000):
        body = os.urandom(size)
        with gateway.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (size, body))
            assert client.answer().body == body.hex().encode()


def test_clients_that_never_shake_hands_hold_nobody_up_and_are_let_go(make_gateway):
    gateway = make_gateway(settings="  limits: { header_time: 1s }")
    silent = [gateway.connect_plainly() for _ in range(50)]
    half = gateway.connect_plainly().send(b"\x16\x03\x01\x02\x00\x01")
    with gateway.connect() as client:
        assert client.send(HEAD).answer().status == 200
    began = time.monotonic()
    for client in [*silent, half]:
        assert client.is_closed()
        client.socket.close()
    assert time.monotonic() - began < 5


def test_plain_http_on_a_port_with_tls_ends_without_a_reset(make_gateway):
    gateway = make_gateway()
    with gateway.connect_plainly() as client:
        client.send(HEAD)
        while client.socket.recv(4096):
            pass
    with gateway.connect() as client:
        assert client.send(HEAD).answer().status == 200


def test_a_large_download_is_never_held_whole(make_gateway):
    size = 100 << 20

    def answer(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            connection.sendall(b"x" * (1 << 20))
        return b""

    gateway = make_gateway(answer)
    before = gateway.peak_rss_bytes()
    with gateway.connect() as client:
        client.send(HEAD)
        time.sleep(0.5)  # the client is slow: what comes meanwhile must wait at the service
        received = 0
        while received < size:
            received += len(client.socket.recv(1 << 20))
    assert gateway.peak_rss_bytes() - before < 8 << 20


def test_an_idle_connection_costs_little(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as client:
        assert client.send(HEAD).answer().status == 200
    before = gateway.peak_rss_bytes()
    clients = [gateway.connect() for _ in range(500)]
    for client in clients:
        assert client.send(HEAD).answer().status == 200
    per_connection = (gateway.peak_rss_bytes() - before) / len(clients)
    for client in clients:
        client.socket.close()
    assert per_connection < 40_000, per_connection


def test_sigterm_ends_clients_in_their_handshake_and_idle_ones(make_gateway):
    gateway = make_gateway()
    with gateway.connect() as idle, gateway.connect_plainly() as silent:
        assert idle.send(HEAD).answer().status == 200
        gateway.process.send_signal(signal.SIGTERM)
        assert idle.is_closed() and silent.is_closed()
        assert gateway.wait_for_exit(10) == 0


# ---- certificates that change ----

def test_a_new_certificate_is_shown_without_a_dropped_connection(make_gateway, authority):
    gateway = make_gateway()
    assert gateway.name_shown() == "gateway-1"
    stop, answered, failures = threading.Event(), [], []

    def keep_asking(again):
        try:
            with gateway.connect() as client:
                while not stop.is_set():
                    if client.send(HEAD).answer().status != 200:
                        failures.append("no answer")
                    answered.append(1)
                    if again:
                        with gateway.connect() as fresh:
                            assert fresh.send(HEAD).answer().status == 200
        except Exception as failure:
            failures.append(repr(failure))

    users = [threading.Thread(target=keep_asking, args=(number % 2 == 0,)) for number in range(4)]
    for user in users:
        user.start()
    authority.issue("gateway")
    gateway.wait_until(lambda: gateway.name_shown() == "gateway-2", 10, "the new certificate is shown")
    asked = len(answered)
    gateway.wait_until(lambda: len(answered) > asked + 10, 10, "the load goes on")
    stop.set()
    for user in users:
        user.join()
    assert not failures


def test_a_broken_new_certificate_is_refused_in_a_sentence_and_the_old_one_stays(make_gateway):
    gateway = make_gateway()
    certificate, _ = gateway.identity
    with open(certificate, "w", encoding="ascii") as file:
        file.write("not a certificate\n")
    gateway.wait_until(lambda: gateway.name_shown() and "cannot be used" in gateway.log(), 10, "the file was looked at")
    sentences = [line for line in gateway.log().splitlines() if "cannot be used" in line]
    assert len(sentences) == 1 and certificate in sentences[0] and "stays in use" in sentences[0]
    assert gateway.name_shown() == "gateway-1"


@pytest.mark.parametrize("which", [0, 1], ids=["certificate", "key"])
def test_a_file_that_is_missing_at_the_start_is_named(make_gateway, which):
    gateway = make_gateway()
    gateway.stop()
    os.remove(gateway.identity[which])
    gateway.up(wait=False)
    assert gateway.wait_for_exit() == 11
    assert f"{gateway.identity[which]} cannot be used: No such file or directory" in gateway.log()


def test_a_key_of_another_certificate_stops_the_start(make_gateway, authority):
    gateway = make_gateway()
    gateway.stop()
    os.replace(authority.issue("another")[1], gateway.identity[1])
    gateway.up(wait=False)
    assert gateway.wait_for_exit() == 11
    assert f"it must be that of {gateway.identity[0]}" in gateway.log()


# ---- services ----

def with_name(service):
    return service.url.replace("127.0.0.1", "localhost")


def ca_of(authority):
    return f", ca: {authority.path}"


def test_a_service_with_a_certificate_of_a_private_authority_is_used(make_gateway, authority):
    gateway = make_gateway(identity=authority.issue("service"), legacy_more=ca_of(authority), url=with_name)
    for _ in range(5):
        with gateway.connect() as client:
            assert client.send(HEAD).answer().body == b'{"side":"legacy"}'
    assert gateway.service.connections == 1 and gateway.service.names == ["localhost"]


def test_a_service_may_be_named_by_its_address(make_gateway, authority):
    gateway = make_gateway(identity=authority.issue("service"), legacy_more=ca_of(authority))
    assert gateway.get().status == 200 and gateway.service.names == [None]


def test_the_new_side_has_no_part_in_the_authorities_of_legacy(make_gateway, authority):
    gateway = make_gateway(identity=authority.issue("service"))
    assert gateway.get().status == 503
    assert "unable to get local issuer certificate" in gateway.access_log()[0]["failure"]


def test_an_authority_that_is_not_the_one_named_is_not_trusted(make_gateway, authority, tmp_path):
    gateway = make_gateway(identity=authority.issue("service"), legacy_more=ca_of(Authority(tmp_path, "stranger")))
    assert gateway.get().status == 503
    line = gateway.access_log()[0]
    assert line["status"] == 503 and "its certificate is refused" in line["failure"] and not gateway.service.requests


@pytest.mark.parametrize("url", [with_name, lambda service: service.url], ids=["name", "address"])
def test_a_certificate_for_another_host_is_refused(make_gateway, authority, url):
    identity = authority.issue("service", hosts="DNS:other.internal,IP:127.0.0.9")
    gateway = make_gateway(identity=identity, legacy_more=ca_of(authority), url=url)
    assert gateway.get().status == 503
    failure = gateway.access_log()[0]["failure"]
    assert "its certificate is refused" in failure and "mismatch" in failure and not gateway.service.requests


def test_a_service_that_does_not_speak_tls_is_away(make_gateway):
    plain = socket.create_server(("127.0.0.1", 0))

    def refuse():
        connection, _ = plain.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    threading.Thread(target=refuse, daemon=True).start()
    gateway = make_gateway(url=lambda service: f"https://127.0.0.1:{plain.getsockname()[1]}")
    assert gateway.get().status == 503
    assert "TLS: wrong version number" in gateway.access_log()[0]["failure"]
    plain.close()


def test_a_service_that_never_shakes_hands_is_given_up(make_gateway):
    silent = socket.create_server(("127.0.0.1", 0))
    gateway = make_gateway(url=lambda service: f"https://127.0.0.1:{silent.getsockname()[1]}", settings="  limits: { connect_time: 300ms }")
    began = time.monotonic()
    assert gateway.get().status == 504 and time.monotonic() - began < 5
    silent.close()


def test_a_large_upload_to_a_service_with_tls_waits_at_the_client(make_gateway, authority):
    size, read = 60 << 20, []

    def answer(request, connection):
        time.sleep(0.5)
        left = size - len(request.body)
        while left:
            left -= len(connection.recv(min(left, 1 << 20)))
        read.append(size)
        return json_answer("{}")

    gateway = make_gateway(answer, reads_body=False, identity=authority.issue("service"), legacy_more=ca_of(authority))
    before = gateway.peak_rss_bytes()
    with gateway.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            client.send(b"y" * (1 << 20))
        assert client.answer().status == 200
    assert read == [size] and gateway.peak_rss_bytes() - before < 8 << 20


def test_a_large_download_from_a_service_with_tls_lets_others_through(make_gateway, authority):
    size = 60 << 20

    def answer(request, connection):
        if request.target == "/small":
            return json_answer("{}")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            connection.sendall(b"x" * (1 << 20))
        return b""

    gateway = make_gateway(answer, identity=authority.issue("service"), legacy_more=ca_of(authority))
    with gateway.connect() as client:
        client.send(HEAD)
        received, small = 0, 0
        while received < size:
            received += len(client.socket.recv(1 << 20))
            if received > small * (10 << 20):
                small += 1
                assert gateway.get("/small").status == 200


def test_an_upgrade_becomes_a_tunnel_through_tls_on_both_sides(make_gateway, authority):
    def answer(request, connection):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nready ")
        connection.sendall(connection.recv(1000).upper())

    gateway = make_gateway(answer, identity=authority.issue("service"), legacy_more=ca_of(authority))
    with gateway.connect() as client:
        client.send(b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert client.answer().status == 101
        client.send(b"second")
        assert client.read_rest() == b"ready SECOND"
