"""The gateway against nginx and HAProxy, each with one worker or thread, before the same services, in the same run.

Each service is an nginx, which answers 200 bytes of JSON. How much passes is measured with wrk, which asks as
fast as it is answered, over 32 connections. What a bad shadow costs a user is measured at a rate that does not depend on
the answers (h2load), because a service that streams or fails needs a part of this machine for itself, and a load that
takes all that is left would measure that. Bad shadows are real sockets that hang, reset, drip, stream or fail.
"""

import contextlib
import itertools
import math
import os
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from common import DISK, OXBOW, ROOT, Scoreboard, execute, say, servers

from cluster import free_port
from http_by_socket import get_json
from migration import Migration
from scripted_service import RawClient

CONNECTIONS = 32
SECONDS = 6
ROUNDS = 9
USERS_PER_SECOND = 4_000  # beside bad shadows
BAD_ROUNDS = 24

ANSWER = ('{"id":4711,"amount":"12.50","currency":"EUR","status":"captured","created":"2026-11-21T10:00:00Z","customer":'
          '"Ada Lovelace","items":[1,2,3,4,5,6,7,8],"note":"abcdefghijklmnopqrstuvwxyz0123"}')

NGINX = """\
user root; worker_processes 1; daemon off; pid {name}.pid; error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {name}b; proxy_temp_path {name}p; fastcgi_temp_path {name}f; uwsgi_temp_path {name}u; scgi_temp_path {name}s;
{servers}
}}
"""
LEGACY = """\
  server {{ listen 127.0.0.1:{legacy} backlog=4096; default_type application/json; location / {{ return 200 '{answer}'; }} }}
"""
# A process of its own, as everywhere else: what shadows cost the new side is not taken from those who wait for legacy.
NEW = """\
  server {{ listen 127.0.0.1:{new} backlog=4096; default_type application/json; location / {{ return 200 '{answer}'; }} }}
  server {{ listen 127.0.0.1:{fail} backlog=4096; default_type application/json; location / {{ return 500 '{{}}'; }} }}
  server {{ listen 127.0.0.1:{stream} backlog=4096; root {root}; default_type application/json; sendfile on;
    location / {{ rewrite ^ /gigabyte break; }} }}
"""
PROXIES = """\
  upstream legacy {{ server 127.0.0.1:{legacy}; keepalive 256; keepalive_requests 1000000000; }}
  upstream new {{ server 127.0.0.1:{new}; keepalive 256; keepalive_requests 1000000000; }}
  proxy_http_version 1.1; proxy_set_header Connection "";
  server {{ listen 127.0.0.1:{plain} backlog=4096; location / {{ proxy_pass http://legacy; }} }}
  server {{ listen 127.0.0.1:{mirror} backlog=4096;
    location / {{ mirror /mirror; proxy_pass http://legacy; }}
    location = /mirror {{ internal; proxy_pass http://new$request_uri; }} }}
"""
HAPROXY = """\
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind 127.0.0.1:{plain}
  default_backend legacy
backend legacy
  server one 127.0.0.1:{legacy}
"""
SPEC = """\
migration: {name}
owners: {{ legacy: a, new: b, coexistence: c }}
systems:
  legacy: {{ database: "{legacy_db}", service: "http://127.0.0.1:{legacy}" }}
  new: {{ database: "{new_db}", service: "http://127.0.0.1:{new}" }}
entities:
  payment:
    key: payment_id
    tables: [ {{ legacy: public.payments, new: public.payments }} ]
    cohorts: [ {{ name: half, percent: 50 }}, {{ name: rest }} ]
    reads: {{ latency: new-read }}
    routes: [ {{ route: "GET /payments/{{payment_id}}", read: latency, shadow: {shadow} }} ]
gateway:
  listen: [ "127.0.0.1:{port}" ]
  state_headers: {state_headers}
  shadow: {{ time: 1s, connections: 64, memory: 32MB }}
"""


@contextlib.contextmanager
def process(command, ports, **options):
    """Runs until the block ends; begins when every port takes connections."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        for port in ports:
            deadline = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline and running.poll() is None, f"{command[0]} does not listen on {port}"
                    time.sleep(0.05)
        yield running
    finally:
        running.terminate()
        running.wait(10)


def nginx(directory, name, text):
    path = os.path.join(directory, f"{name}.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(NGINX.format(name=name, servers=text))
    return ["/usr/sbin/nginx", "-p", directory, "-c", path]


def to_ms(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


class Load:
    """What wrk saw: requests a second and latencies in milliseconds."""

    def __init__(self, port, seconds=SECONDS, target="/payments/4711"):
        done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}{target}"],
                              capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in done and "Socket errors" not in done, done
        self.per_second = float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1])
        self.p50 = to_ms(re.search(r"^ +50% +(\S+)", done, re.MULTILINE)[1])
        self.p99 = to_ms(re.search(r"^ +99% +(\S+)", done, re.MULTILINE)[1])

    def __str__(self):
        return f"{self.per_second:,.0f} requests/s, p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms"


class Median:
    """Of some rounds, each figure by itself: the round of the median rate may have any p99."""

    def __init__(self, loads):
        self.per_second = statistics.median(load.per_second for load in loads)
        self.p99 = statistics.median(load.p99 for load in loads)


def in_turn(ports):
    """The named ports in turn, some rounds; the medians of each."""
    found = {name: [] for name in ports}
    for number in range(ROUNDS):
        for name, port in ports.items():
            load = Load(port)
            found[name].append(load)
            say(f"  round {number + 1}: {name}: {load}")
    return {name: Median(loads) for name, loads in found.items()}


class SteadyLoad:
    """Latencies in milliseconds of users who ask at a rate of their own, whatever the answers do. They begin one after the
    other, because users who ask all at one moment would wait for each other most of the time."""

    def __init__(self, port, directory, seconds=2):
        log = os.path.join(directory, "h2load.log")
        requests = USERS_PER_SECOND * (seconds + 1)
        subprocess.run(["h2load", "--h1", f"-c{CONNECTIONS}", f"-n{requests}", "-r3", "--rate-period=1ms", f"--log-file={log}",
                        f"--rps={USERS_PER_SECOND / CONNECTIONS}", f"http://127.0.0.1:{port}/payments/4711"],
                       stdout=subprocess.DEVNULL, check=True)
        with open(log, encoding="utf-8") as file:
            lines = [[int(value) for value in line.split("\t")] for line in file]
        os.unlink(log)
        assert all(status == 200 for _, status, *_ in lines), "a user got an error"
        begin, *_, end = sorted(at_us for at_us, *_ in lines)
        assert end - begin < 1.1e6 * (seconds + 1), f"{requests:,} requests took {(end - begin) / 1e6:.1f} s"
        took_us = sorted(took for at_us, _, took, *_ in lines if at_us > begin + 1_000_000)  # the first second warms up
        self.p50 = took_us[len(took_us) // 2] / 1000
        self.p99 = took_us[len(took_us) * 99 // 100] / 1000


class BadService:
    """A service that misbehaves in one way, on a port that can be told another way."""

    def __init__(self):
        self.way = "hang"
        self.stop = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while connection.recv(65536):
                way = self.way
                if way == "hang":
                    self.stop.wait(5)
                    return
                elif way == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    return
                elif way == "drip":
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    while not self.stop.wait(0.2):
                        connection.sendall(b"x")

    def close(self):
        self.stop.set()
        self.socket.close()


@contextlib.contextmanager
def gateway(databases, ports, state_headers=False, name="payments", shadow="100%"):
    with tempfile.TemporaryDirectory(prefix="oxbow-bench-", dir=DISK) as directory:
        port = free_port()
        text = SPEC.format(legacy_db=databases[0], new_db=databases[1], port=port, state_headers=str(state_headers).lower(),
                           name=name, shadow=shadow, **ports)
        with Migration(directory, text, *databases, [], binary=OXBOW) as migration:
            migration.port = port
            migration.up()
            yield migration
            migration.stop()
        for url, sql in ((databases[0], "TRUNCATE payments"), (databases[1], "TRUNCATE payments")):
            execute(url, sql)


def mirrored(migration):
    migration.oxbow("advance", "payment", "--to", "mirrored", "--wait")


def route_of(migration):
    return get_json(f"{migration.directory}/oxbow.sock", "/v1/traffic")["routes"][0]


def slowest_flip_ms(migration):
    """While the load runs, a client asks all the time; how long after the command's return was one decided by the old
    state? The key is of the cohort that goes back."""
    answers, stop = [], threading.Event()

    def watch():
        with RawClient(migration.port) as client:
            while not stop.is_set():
                sent = time.monotonic()
                client.send(b"GET /payments/4711 HTTP/1.1\r\nHost: h\r\n\r\n")
                answers.append((sent, client.answer().field("X-Oxbow-State")))

    load = threading.Thread(target=Load, args=(migration.port, 8))
    watcher = threading.Thread(target=watch)
    load.start()
    watcher.start()
    time.sleep(2)
    migration.oxbow("rollback", "payment", "--to", "legacy")
    returned = time.monotonic()
    time.sleep(2)
    stop.set()
    watcher.join()
    load.join()
    assert answers[0][1] == "mirrored" and answers[-1][1] == "legacy", "the state has not flipped"
    return max([0.0] + [(sent - returned) * 1000 for sent, state in answers if state != "legacy"]), len(answers)


class Beside:
    """How much longer users wait before one gateway than before another, of rounds in which both were measured: the median of
    the rounds' ratios, and how far that median would be off in 19 of 20 such measurements."""

    def __init__(self, rounds, quantile):
        logs = sorted(math.log(getattr(one, quantile) / getattr(other, quantile)) for one, other in rounds)
        self.ratio = math.exp(statistics.median(logs))
        self.error = 1.96 * 1.2533 * statistics.stdev(logs) / math.sqrt(len(logs))  # of a median of roughly normal values

    def __str__(self):
        return f"{self.ratio:.3f} (+-{100 * self.error:.1f} %)"


def beside_bad_shadows(databases, ports, directory):
    """How much longer users wait, at the median and the 99th percentile, beside the worst way; and the peak in MiB. Without
    means: the same gateway before the same services, mirroring too, with `shadow: off`. There are two of those, so that what
    is no difference at all is measured in the same rounds: without it nobody can tell a cost from this machine's mood."""
    bad = BadService()
    worst = {"p50": 0, "p99": 0}
    peak_mib = 0
    for way in ("hang", "reset", "drip", "stream", "fail"):
        bad.way = way
        with gateway(databases[0], {**ports, "new": ports.get(way, bad.port)}) as shadowed, \
                gateway(databases[1], ports, name="alone", shadow="off") as alone, \
                gateway(databases[2], ports, name="twin", shadow="off") as twin:
            gateways = [shadowed, alone, twin]
            for each in gateways:
                mirrored(each)
                SteadyLoad(each.port, directory)
            rounds = []
            for number in range(BAD_ROUNDS):  # who comes first changes, because the machine drifts
                first = number % len(gateways)
                turn = gateways[first:] + gateways[:first]
                loads = {each: SteadyLoad(each.port, directory) for each in (turn if number % 2 == 0 else reversed(turn))}
                rounds.append([loads[each] for each in gateways])
            route = route_of(shadowed)
            assert route["skipped"] if way != "fail" else route["compared"], f"the shadow does not {way}: {route}"
            peak_mib = max(peak_mib, shadowed.peak_rss_bytes() / (1 << 20))
        for quantile in worst:
            cost = Beside([(bad_one, without) for bad_one, without, _ in rounds], quantile)
            nothing = Beside([(other, without) for _, without, other in rounds], quantile)
            usual_ms = statistics.median(getattr(without, quantile) for _, without, _ in rounds)
            say(f"  {way}: {quantile} {cost} x without, and {nothing} x between two without; {usual_ms:.2f} ms")
            worst[quantile] = max(worst[quantile], cost.ratio)
        say(f"  {way}: compared {route['compared']:,}, skipped {route['skipped']}")
    bad.close()
    return worst["p50"], worst["p99"], peak_mib


def measure(_share):
    board = Scoreboard("gateway")
    with tempfile.TemporaryDirectory(prefix="oxbow-bench-", dir=DISK) as directory, servers() as clusters:
        ports = {name: free_port() for name in ("legacy", "new", "fail", "stream")}
        with open(os.path.join(directory, "gigabyte"), "wb") as file:
            file.truncate(1 << 30)
        plain, mirror, haproxy = free_port(), free_port(), free_port()
        databases, *others = [[cluster.create_database(name) for cluster in clusters] for name in ("payments", "alone", "twin")]
        for url in itertools.chain(databases, *others):
            execute(url, "CREATE TABLE payments (payment_id bigint PRIMARY KEY, note text)")
        with open(os.path.join(directory, "haproxy.cfg"), "w", encoding="utf-8") as file:
            file.write(HAPROXY.format(plain=haproxy, **ports))
        with process(nginx(directory, "legacy", LEGACY.format(answer=ANSWER, **ports)), [ports["legacy"]]), \
                process(nginx(directory, "new", NEW.format(answer=ANSWER, root=directory, **ports)), [ports["new"]]), \
                process(nginx(directory, "proxy", PROXIES.format(plain=plain, mirror=mirror, **ports)), [plain, mirror]), \
                process(["/usr/sbin/haproxy", "-f", os.path.join(directory, "haproxy.cfg")], [haproxy]):
            with gateway(databases, ports) as migration:
                say("plain proxying")
                found = in_turn({"nginx": plain, "haproxy": haproxy, "oxbow": migration.port})
                rate = found["oxbow"].per_second / found["nginx"].per_second
                p99 = found["oxbow"].p99 / found["nginx"].p99
                mirrored(migration)
                say("a shadow of every request, and both answers compared; nginx mirrors and does not compare")
                found = in_turn({"nginx mirror": mirror, "oxbow": migration.port})
                shadowed = found["oxbow"].per_second / found["nginx mirror"].per_second
                migration.wait_until(lambda: route_of(migration)["compared"] > 0, 10, "pairs were compared")
                route = route_of(migration)
                say(f"  {route['compared']:,} of {route['eligible']:,} eligible requests compared; {route['skipped']}")
                assert route["divergence"]["differed_first"] == 0
                coverage = route["coverage"]
            say(f"bad shadows, {USERS_PER_SECOND:,} requests/s of users")
            worst_p50, worst_p99, peak_mib = beside_bad_shadows([databases, *others], ports, directory)
            with gateway(databases, ports, state_headers=True) as migration:
                mirrored(migration)
                flip_ms, watched = slowest_flip_ms(migration)
                say(f"a rollback under load: {watched:,} requests watched")
    board.at_least("plain rate", rate, 0.8, "x nginx")
    board.at_most("plain p99", p99, 1.25, "x nginx")
    board.at_least("shadow and compare", shadowed, 3.0, "x nginx mirror")
    board.at_least("compared of eligible", 100 * coverage, 50, "%")
    board.at_most("bad shadow, user's p50", worst_p50, 1.05, "x without")
    board.at_most("bad shadow, user's p99", worst_p99, 1.05, "x without")
    board.at_most("memory with bad shadows", peak_mib, 96, "MiB")
    board.at_most("decided by the old state after a rollback", flip_ms, 10, "ms")
    return board.close()
