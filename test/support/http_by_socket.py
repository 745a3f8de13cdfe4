"""Requests to the control API over its unix socket."""

import http.client
import json
import socket


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self._path)


def get(path, target):
    """Status code and body."""
    connection = _Connection(path)
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def get_text(path, target):
    status, text = get(path, target)
    assert status == 200, text
    return text


def get_json(path, target):
    return json.loads(get_text(path, target))
