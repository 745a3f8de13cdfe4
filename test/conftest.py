"""Makes the helpers of test/support and test/oracle importable from every Python test."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("support", "oracle"):
    sys.path.insert(0, os.path.join(HERE, folder))
