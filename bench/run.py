"""./dev bench NAME: runs one benchmark; its last line prints figure and bar, its exit code is 1 below the bar."""

import argparse
import importlib
import signal
import sys

NAMES = ["copy", "capture", "verify", "growth", "gateway", "handover"]


def main():
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--scale", type=float, default=1.0,
                        help="share of the rows that the bar is stated for, for a quick look; 1 is the real thing")
    arguments = parser.parse_args()
    try:
        return importlib.import_module(f"bench_{arguments.name}").measure(arguments.scale)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
