"""Errors of the access log and of the log that were found and mended."""

import contextlib
import fcntl
import json
import os
import re
import signal
import threading
import time

from gateway import GatewayUnderTest
from scripted_service import ScriptedService


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
        asked = 2500
        get_often(gateway, asked, b"/" + b"a" * 8000)
        for _ in range(4):
            lost = lost_lines(gateway)
            deadline = time.monotonic() + 20
            while lost_lines(gateway) == lost and time.monotonic() < deadline:
                get_often(gateway, 40, b"/" + b"a" * 8000)
                asked += 40
            assert lost_lines(gateway) > lost
        assert gateway.log().count("the access log is not taken as fast as it is written") == 1
        assert "the access log is written again" not in gateway.log()
        read = []
        reading = threading.Thread(target=lambda: read.extend(json.loads(line) for line in reader))
        reading.start()
        gateway.wait_until(lambda: "the access log is written again" in gateway.log(), 20, "it is written again")
        gateway.get("/last")
        assert gateway.stop() == 0
        reading.join(20)
    assert read[-1]["target"] == "/last"
    lost = int(re.search("([0-9]+) lines of it were lost", gateway.log())[1])
    assert len(read) + lost == asked + 1


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


def fill(pipe):
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"\n")
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags)


def test_a_reader_of_the_log_that_stands_still_makes_no_user_wait(tmp_path):
    with ScriptedService() as dead, ScriptedService() as well, ScriptedService() as new, \
            GatewayUnderTest(tmp_path, [dead, well], new, "  health: { failures: 2 }") as gateway:
        gateway.stop()
        reading, writing = os.pipe()
        gateway.up(stderr=writing)
        fill(writing)
        dead.close()
        assert [gateway.get().status for _ in range(8)] == [200] * 8
        assert f'oxbow_service_left_alone{{side="legacy",address="{dead.url}"}} 1' in gateway.metrics(), "which it has logged"
        assert gateway.stop() == 0
        for each in (reading, writing):
            os.close(each)


def test_a_pipe_that_nobody_reads_stops_neither_the_start_nor_the_end(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    log = f"{gateway.directory}/access.log"
    os.unlink(log)
    os.mkfifo(log)
    gateway.up()
    assert gateway.get("/early").status == 200
    with open(log, "rb") as reader:
        assert json.loads(reader.readline())["target"] == "/early", "which has waited for a reader"
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_until(lambda: gateway.log().count("the access log waits for a reader") == 2, 5, "there is none again")
    assert gateway.get("/late").status == 200
    assert gateway.stop() == 0


def test_lines_of_both_logs_stay_whole_where_they_go_to_one_place(make_gateway):
    """As under `2>&1 |`, while nobody reads."""
    gateway = make_gateway()
    gateway.stop()
    with open(f"{gateway.directory}/oxbow.yaml", encoding="utf-8") as file:
        good = file.read().replace("access_log: access.log", 'access_log: "-"')
    gateway.write_spec(good)
    reading, writing = os.pipe()
    gateway.up(stdout=writing, stderr=writing)
    os.close(writing)
    for number in range(3):
        get_often(gateway, 200, b"/" + b"a" * 700)
        gateway.write_spec(good + f"nonsense_{number}: 1\n")
        gateway.wait_until(lambda: len(gateway.findings("spec-not-taken")) == 1 and
                           f"nonsense_{number}" in gateway.findings("spec-not-taken")[0]["detail"], 5, "the log has a line")
    read = []
    with open(reading, "rb") as reader:
        thread = threading.Thread(target=lambda: read.extend(reader))
        thread.start()
        gateway.stop()
        thread.join(20)
    of_requests = [line for line in read if b'"client"' in line]
    assert len([json.loads(line) for line in of_requests]) == 600
