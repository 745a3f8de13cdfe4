"""What `oxbow check --connect` says of two databases before anything is set up."""

import subprocess
import time

from cluster import execute

SESSIONS = """SELECT count(*) FROM pg_stat_activity
              WHERE application_name LIKE 'oxbow:shop:%' AND backend_type = 'client backend' AND datname = current_database()"""


def check(migration):
    """Exit code and what was said."""
    done = migration.oxbow("check", "--connect", check=False)
    return done.returncode, done.stdout + done.stderr


def most_sessions(migration, process):
    """The most sessions that oxbow has on either side until the process ends."""
    most = [0, 0]
    while process.poll() is None:
        most = [max(before, execute(url, SESSIONS)[0][0]) for before, url in zip(most, (migration.legacy, migration.new))]
        time.sleep(0.01)
    return most


def test_the_connections_asked_for_are_those_that_copying_and_verifying_open(shop_migration):
    migration = shop_migration
    migration.up().set_rate(2000)
    migration.advance("customer")
    migration.wait_until_copying()
    migration.set_rate(0)
    migration.wait_until_backfilled()
    verify = subprocess.Popen([migration.binary, "verify", "--rate", "2000"], cwd=migration.directory, stdout=subprocess.DEVNULL)
    # core/spec/preflight counts these for 2 workers, and one on the legacy side that is seldom opened: it asks which
    # transactions have ended when very many may not have.
    assert most_sessions(migration, verify) == [12 - 1, 9]
    assert verify.returncode == 0


def test_connections_are_counted_under_the_limit_of_a_role_that_is_no_superuser(make_shop, databases, legacy_cluster):
    migration = make_shop(databases.legacy, databases.new, legacy_url=legacy_cluster.url(databases.names[0], "narrow"))
    execute(migration.legacy, "CREATE ROLE narrow LOGIN REPLICATION CONNECTION LIMIT 11")
    try:
        code, said = check(migration)
        assert code == 13 and "CONNECTION LIMIT of role narrow leaves us 11 connections, and with 2 workers oxbow needs 12" in said
        execute(migration.legacy, "ALTER ROLE narrow CONNECTION LIMIT 12")
        assert "CONNECTION LIMIT" not in check(migration)[1], "the session that asks is one of them"
    finally:
        execute(migration.legacy, "DROP ROLE narrow")
