"""Copy: oxbow mirrors a bank that is being written, against pgcopydb cloning the same bank while it is quiet."""

import tempfile

from common import (Scoreboard, bank_migration, create_bank, create_empty_copy, pgbench, run, say, seconds,
                    servers, settle)

SCALE = 50  # 5 million accounts
ROUNDS = 2
WRITES_PER_SECOND = 200


def clone_with_pgcopydb(source, target):
    with tempfile.TemporaryDirectory(prefix="oxbow-bench-") as work:
        run(["pgcopydb", "clone", "--source", source, "--target", target, "--dir", f"{work}/state",
             "--table-jobs", "2", "--index-jobs", "2", "--skip-large-objects"])


def mirror_with_oxbow(source, target):
    """Seconds from the command until every row is there, and peak memory in bytes."""
    with bank_migration(source, target) as migration:
        migration.up()

        def mirror():
            # One command for either side: asking again and again would start a program each time, on the same two cores.
            migration.oxbow("advance", "branch", "--to", "mirrored", "--wait", timeout=1800)

        with pgbench(source, "-c", "4", "-R", str(WRITES_PER_SECOND)):
            took = seconds(mirror)
        memory = migration.peak_rss_bytes()
        say(f"  {migration.wait_until_equal(120)}, says the oracle")
        migration.roll_back("branch")
        migration.stop()
        migration.oxbow("doctor", "--remove")
    return took, memory


def measure(share):
    peer, ours, memory = [], [], 0
    with servers() as (legacy, new):
        source = create_bank(legacy, "bank", max(1, round(SCALE * share)))
        for number in range(1, ROUNDS + 1):
            target = new.create_database(f"peer{number}")
            settle(legacy, new)
            peer.append(seconds(lambda: clone_with_pgcopydb(source, target)))
            new.execute("postgres", f"DROP DATABASE peer{number}")
            say(f"round {number}: pgcopydb clone, source quiet: {peer[-1]:.1f} s")

            target = create_empty_copy(source, new, f"mirror{number}")
            settle(legacy, new)
            took, used = mirror_with_oxbow(source, target)
            ours.append(took)
            memory = max(memory, used)
            new.execute("postgres", f"DROP DATABASE mirror{number}")
            say(f"round {number}: oxbow, source written at {WRITES_PER_SECOND} tx/s: {took:.1f} s")
    board = Scoreboard("copy")
    board.at_most("wall time", min(ours) / min(peer), 1.1, "x pgcopydb clone")
    board.at_most("peak memory", memory / 2**20, 256, "MiB")
    return board.close()
