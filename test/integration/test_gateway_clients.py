"""Clients that people use, against the gateway: each must be content with every answer."""

import re
import subprocess

import pytest

from gateway import GatewayUnderTest
from scripted_service import ScriptedService, json_answer


@pytest.fixture
def gateway(tmp_path):
    with ScriptedService(lambda request, connection: json_answer('{"side":"legacy"}')) as legacy, \
            ScriptedService() as new, GatewayUnderTest(tmp_path, legacy, new) as gateway:
        gateway.url = f"http://127.0.0.1:{gateway.port}/"
        yield gateway


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_curl(gateway):
    assert run("curl", "-sS", "--http1.0", gateway.url, "--next", "-sS", "--http1.1", gateway.url) == '{"side":"legacy"}' * 2
    assert run("curl", "-sSI", gateway.url).startswith("HTTP/1.1 200")
    assert run("curl", "-sS", "-T", __file__, "-H", "Transfer-Encoding: chunked", gateway.url) == '{"side":"legacy"}'


@pytest.mark.parametrize("keep_alive", [[], ["-k"]])
def test_ab(gateway, keep_alive):
    said = run("ab", "-q", "-n", "1000", "-c", "8", *keep_alive, gateway.url)
    assert "Failed requests:        0" in said and "Complete requests:      1000" in said and "Non-2xx" not in said
    if keep_alive:
        assert int(re.search(r"Keep-Alive requests: +(\d+)", said)[1]) == 1000


def test_wrk(gateway):
    said = run("wrk", "-t1", "-c8", "-d1s", gateway.url)
    assert "Socket errors" not in said and "Non-2xx" not in said
    assert float(re.search(r"Requests/sec: +([\d.]+)", said)[1]) > 0


def test_h2load(gateway):
    said = run("h2load", "-n", "1000", "-c", "4", "-m", "8", gateway.url)
    assert "1000 succeeded, 0 failed, 0 errored" in said
