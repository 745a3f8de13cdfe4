"""A gateway under test: a migration whose databases are away, because routing and forwarding need none."""

import json
import os

from cluster import free_port
from http_by_socket import get_text
from migration import Migration
from scripted_service import RawClient

SPEC = """\
migration: gateway
owners: {{ legacy: a, new: b, coexistence: c }}
systems:
  legacy: {{ database: "postgresql://nobody@127.0.0.1:1/legacy", service: [ {legacy} ]{legacy_more} }}
  new: {{ database: "postgresql://nobody@127.0.0.1:1/new", service: [ {new} ] }}
entities:
  payment:
    key: id
    tables: [ {{ legacy: public.payments, new: public.payments }} ]
gateway:
  listen: [ "127.0.0.1:{port}" ]
  access_log: access.log
{settings}
"""


class GatewayUnderTest(Migration):
    def __init__(self, directory, legacy, new, settings="", legacy_more=""):
        self.port = free_port()
        listed = lambda services: ", ".join(f'"{service.url}"' for service in services)
        legacy, new = (side if isinstance(side, list) else [side] for side in (legacy, new))
        text = SPEC.format(legacy=listed(legacy), new=listed(new), port=self.port, settings=settings, legacy_more=legacy_more)
        super().__init__(directory, text, None, None, [])
        self.up()

    def connect(self, **options):
        return RawClient(self.port, **options)

    def get(self, target="/", fields="", method="GET"):
        with self.connect() as client:
            client.send(f"{method} {target} HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n".encode())
            return client.answer(method)

    def metrics(self):
        return get_text(os.path.join(self.directory, "oxbow.sock"), "/v1/metrics")

    def access_log(self):
        self.wait_until(lambda: os.path.getsize(os.path.join(self.directory, "access.log")) > 0, 5, "the access log is written")
        with open(os.path.join(self.directory, "access.log"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]
