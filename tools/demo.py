"""./dev demo: a web shop moves, while it sells, into a database of another shape, and the two are proven equal. People read
through the gateway, and the answers of both services are compared. Then the authority over some customers moves."""

import os
import signal
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
for folder in ("support", "oracle"):
    sys.path.insert(0, os.path.join(ROOT, "test", folder))

import shop  # noqa: E402  (needs the path above)
from cluster import Cluster, execute, free_port  # noqa: E402
from demo_handover import COHORTS, PilotMoves  # noqa: E402
from demo_services import LEGACY, NEW, Readers, ShopService  # noqa: E402
from demo_text import indented, say, step  # noqa: E402
from migration import Migration  # noqa: E402

OXBOW = os.path.join(ROOT, "build", "release", "src", "apps", "oxbow")
CUSTOMERS = 200_000
ROUTES = """
    reads: { latency: new-read }
    routes:
      - { route: "GET /customers/{customer_id}", read: latency, compare: [ { shape: public.customers, at: $ } ] }
      - { route: "POST /customers/{customer_id}/orders", write: true, operation_key: [ header.Operation-Key ] }
"""
GATEWAY = """
gateway: { listen: [ "127.0.0.1:%d" ] }
"""
ON_TERMINAL = sys.stdout.isatty() and not os.environ.get("CI")


def show_progress(migration):
    """One line that moves on a terminal; elsewhere a plain line whenever another tenth is done."""
    shown = -1
    while True:
        tables = migration.tables()
        done = sum(table["rows_copied"] for table in tables)
        total = max(done, sum(table["rows_estimated"] for table in tables), 1)
        rate = sum(table["rows_per_second"] for table in tables)
        finished = migration.is_backfilled()
        share = 100 if finished else min(99, 100 * done // total)
        left = f", {max(0, (total - done) / rate):.0f} s left" if rate and not finished else ""
        speed = f"  {rate:,.0f} rows/s" if rate else ""  # not known in the first moments
        line = f"  [{'#' * (share // 4):<25}] {share:3d} %  {done:,} rows{speed}{left}"
        if ON_TERMINAL:
            print(f"\r{line:<78}", end="", flush=True)
        elif share // 10 > shown // 10:
            say(line)
            shown = share
        if finished:
            say() if ON_TERMINAL else None
            return
        time.sleep(0.1)


def main():
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with Cluster({"fsync": "on"}) as old, Cluster({"fsync": "on"}) as new, tempfile.TemporaryDirectory() as directory:
        legacy_url, new_url = old.create_database("legacy"), new.create_database("shop")
        execute(legacy_url, shop.LEGACY_SCHEMA)
        execute(legacy_url, shop.FILL.format(rows=CUSTOMERS))
        execute(legacy_url, "ANALYZE")
        execute(new_url, shop.NEW_SCHEMA)
        with ShopService(legacy_url, LEGACY) as legacy_service, ShopService(new_url, NEW) as new_service:
            port = free_port()
            spec = shop.SPEC.format(legacy=legacy_url, new=new_url, cohorts=COHORTS + ROUTES, extra=GATEWAY % port)
            for url, service in ((legacy_url, legacy_service), (new_url, new_service)):
                spec = spec.replace(f'database: "{url}"', f'database: "{url}", service: "{service.url}"')
            with Migration(directory, spec, legacy_url, new_url, shop.COMPARISONS, binary=OXBOW) as migration:
                return play(migration, port)


def play(migration, port):
    say("A web shop: four tables, a quarter of a million rows, people buying. Its new database has other names, other units,")
    say("other codes. Each has an HTTP service before it. All of it is private and disappears when this ends.")
    readers = Readers(port, CUSTOMERS)
    with shop.Workload(migration.legacy, rows=CUSTOMERS) as work:
        step("oxbow check --connect", "are both databases ready?")
        say(indented(migration.oxbow("check", "--connect").stdout))
        step("oxbow up", "in the background")
        migration.up()
        move(migration)
        with readers:
            show_differences(migration)
        verified = prove(migration)
        pilot = PilotMoves(migration, port)
        with readers:
            pilot.go_forward_and_back()
    say(f"\nPeople read {readers.answered:,} customers through the gateway meanwhile; {readers.failed} got no answer.")
    say(f"The shop made {work.committed:,} transactions. Now it pauses, and a script that shares no code with oxbow compares every")
    say("row. The oracle says:")
    pilot.judge(["pilot", "rest"])
    more = shop.Workload(migration.legacy, rows=CUSTOMERS, seed=2)
    more.next_key = work.next_key
    with more:
        pilot.cut_over()
    say("The others have not moved, and legacy went on selling to them. The oracle says:")
    pilot.judge(["rest"])
    return verified.returncode or int(readers.failed > 0 or pilot.failed)


def move(migration):
    step("oxbow advance customer --to mirrored", "copy everything and follow every change")
    migration.advance("customer")
    show_progress(migration)
    migration.wait_until(lambda: not any(cohort["moving_to"] for cohort in migration.status()["cohorts"]), 30, "it is mirrored")
    step("oxbow status")
    say(indented(migration.oxbow("status").stdout))


def show_differences(migration):
    """Reads of mirrored customers have shadows now. The new service has a mistake built in."""
    step("oxbow diff", "both services answer; do they mean the same?")
    migration.wait_until(lambda: migration.ask("diff")["clusters"], 30, "a difference was found")
    say(indented(migration.oxbow("diff").stdout))
    cluster = migration.ask("diff")["clusters"][0]["id"][:6]
    step(f"oxbow diff {cluster}", "a mistake that we built into the new service")
    say(indented(migration.oxbow("diff", cluster).stdout))


def prove(migration):
    step("oxbow verify", "compare all rows at one logical point, while people buy")
    verified = migration.oxbow("verify", check=False)
    say(indented(verified.stdout or verified.stderr))
    return verified


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; everything has been taken away")
