"""What every Python test has: the helpers of test/support and test/oracle, and the marker of the long ones."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("support", "oracle"):
    sys.path.insert(0, os.path.join(HERE, folder))


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: minutes long; run by ./dev soak")
