"""Errors around the end of `oxbow up` that were found and mended."""

import time

from handover import move, moved_shop  # noqa: F401


def stop_takes(migration):
    began = time.monotonic()
    migration.stop()
    return time.monotonic() - began


def test_connections_that_rest_do_not_hold_up_a_stop(moved_shop):
    move(moved_shop, "advance", "pilot", "new-write")
    time.sleep(2)  # the guards are looked at every second
    assert stop_takes(moved_shop) < 5
    moved_shop.up()
    assert stop_takes(moved_shop) < 5, "right after a start"
