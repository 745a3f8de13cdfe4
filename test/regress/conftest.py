import pytest

from gateway import GatewayUnderTest
from scenario_fixtures import *  # noqa: F401,F403
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
