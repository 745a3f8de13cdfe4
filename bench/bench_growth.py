"""Growth: a table ten times as long takes ten times as long to copy, and no more memory."""

from common import Scoreboard, bank_migration, create_bank, create_empty_copy, say, seconds, servers, settle

SCALES = (20, 200)  # 2 and 20 million accounts
ROUNDS = 2


def microseconds_per_row(legacy, new, scale):
    source = create_bank(legacy, f"bank{scale}", scale)
    target = create_empty_copy(source, new, f"mirror{scale}")
    settle(legacy, new)
    with bank_migration(source, target) as migration:
        migration.up()

        def mirror():
            migration.advance("branch")
            migration.wait_until_backfilled(7200)

        per_row = seconds(mirror) / (scale * 100_000) * 1e6
        memory = migration.peak_rss_bytes()
        migration.roll_back("branch")
        migration.stop()
        migration.oxbow("doctor", "--remove")
    say(f"{scale * 100_000:,} accounts: {per_row:.3f} us per row, peak memory {memory / 2**20:.0f} MiB")
    for cluster, name in ((legacy, f"bank{scale}"), (new, f"mirror{scale}")):
        cluster.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")
    return per_row, memory


def measure(share):
    small, large = (max(1, round(scale * share)) for scale in SCALES)
    with servers() as (legacy, new):
        rounds = [[microseconds_per_row(legacy, new, scale) for scale in (small, large)] for _ in range(ROUNDS)]
    short, long = (min(measured[size][0] for measured in rounds) for size in (0, 1))
    memory = max(measured[1][1] for measured in rounds)
    board = Scoreboard("growth")
    board.at_most(f"time per row at {large * 100_000:,} rows", long / short, 1.15, f"x that at {small * 100_000:,}")
    board.at_most("peak memory", memory / 2**20, 256, "MiB")
    return board.close()
