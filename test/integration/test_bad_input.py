"""Every mistake ends in one clear sentence, its own exit code and no loss."""

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess

import pytest

import shop
from cluster import Cluster, execute, free_port
from migration import BINARY, Migration


def refusal(migration, *command):
    """Exit code and what was said, which must be for people: short, and without a trace of the inside."""
    done = migration.oxbow(*command, check=False, timeout=60)
    said = done.stderr + done.stdout
    assert 0 < len(said.strip()) < 4000
    for inside in ("terminate called", "assert", "Assertion", "std::", ".cpp:"):
        assert inside not in said
    return done.returncode, said


def change_spec(migration, old, new):
    path = os.path.join(migration.directory, "oxbow.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert old in text
    migration.write_spec(text.replace(old, new))


@pytest.mark.parametrize("command", ["check", "up"])
def test_a_spec_that_is_not_there_is_named(shop_migration, command):
    os.remove(os.path.join(shop_migration.directory, "oxbow.yaml"))
    code, said = refusal(shop_migration, command)
    assert code == 10 and "oxbow.yaml" in said


@pytest.mark.parametrize("command", ["check", "up"])
def test_a_spec_that_is_not_yaml_is_refused_with_its_line(shop_migration, command):
    shop_migration.write_spec("migration: shop\nowners: { legacy: [\n")
    code, said = refusal(shop_migration, command)
    assert code in (10, 11) and "oxbow.yaml:" in said


@pytest.mark.parametrize("text, code, line", [
    (b"", 10, "1:1"),
    (b"migration: shop\n\towners: x\n", 10, "2:1"),
    (b"migration: 'shop\n", 10, "1:12"),
    (b"migration: shop\nmigration: shop\n", 11, "2:1"),
    (b"migration: *nobody\n", 10, "1:12"),
    (b"- migration\n", 11, "1:1"),
    (bytes(range(256)), 10, "1:1"),
    (b"migration: shop\n" * 700_000, 10, "1:1"),
], ids=["empty", "tab", "open quote", "key twice", "unknown alias", "list", "binary", "10 MB"])
def test_what_is_no_spec_is_refused_with_its_place(shop_migration, text, code, line):
    with open(os.path.join(shop_migration.directory, "oxbow.yaml"), "wb") as file:
        file.write(text)
    assert (found := refusal(shop_migration, "check"))[0] == code and f"oxbow.yaml:{line}" in found[1]


@pytest.mark.parametrize("path", ["/", "/dev/zero", "/proc/self/mem", "x" * 300], ids=["directory", "endless", "unreadable", "long"])
def test_a_path_that_leads_to_no_spec_is_refused(shop_migration, path):
    code, said = refusal(shop_migration, "check", "--spec", path)
    assert code == 10 and path in said


def test_all_mistakes_of_a_spec_are_reported_at_once_each_with_its_place_and_the_nearest_word(shop_migration):
    change_spec(shop_migration, "migration: shop", "migraton: shop")
    change_spec(shop_migration, "owners: {", "owners: { legcy: x,")
    change_spec(shop_migration, "scale: 100", "scale: lots")
    code, said = refusal(shop_migration, "check")
    assert code == 11
    for word in ("migration", "legacy", "scale"):
        assert word in said
    assert said.count("oxbow.yaml:") >= 3


@pytest.mark.parametrize("command", [["check", "--connect"], ["up"], ["doctor"]], ids=" ".join)
def test_tables_and_columns_that_do_not_exist_are_refused_at_once_with_their_places_and_the_nearest_names(shop_migration, command):
    change_spec(shop_migration, "legacy: public.orders\n", "legacy: public.ordesr\n")
    change_spec(shop_migration, "new: shop.visit\n", "new: shop.vist\n")
    change_spec(shop_migration, "name: full_name", "name: fullname")
    code, said = refusal(shop_migration, *command)
    assert code == 11
    assert "oxbow.yaml:15:11: shop.customer has no column fullname; did you mean full_name?" in said
    assert "oxbow.yaml:20:17: database " in said and "has no table public.ordesr; expected one of " in said
    assert "did you mean 'public.orders'?" in said
    assert "oxbow.yaml:31:14: database " in said and "has no table shop.vist; expected one of " in said
    assert "did you mean 'shop.visit'?" in said


def test_oxbow_does_not_start_with_a_spec_that_does_not_fit_the_tables(shop_migration):
    change_spec(shop_migration, "name: full_name", "name: fullname")
    code, said = refusal(shop_migration, "up")
    assert code == 11 and "shop.customer has no column fullname; did you mean full_name?" in said


def test_oxbow_starts_to_report_that_tables_have_changed_since_they_were_copied(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.stop()
    execute(migration.new, "ALTER TABLE shop.customer RENAME full_name TO whole_name")
    migration.up()
    migration.wait_until(lambda: "shop.customer has no column full_name" in migration.oxbow("status").stdout, 20,
                         "the status tells what changed")


def test_rows_that_the_new_schema_would_reject_are_counted_before_the_start(shop_migration):
    execute(shop_migration.legacy, "INSERT INTO customers SELECT 900000 + i, 'odd' || i, 'Odd', 'S', 0.1 + i FROM generate_series(1, 3) AS i")
    execute(shop_migration.new, "ALTER TABLE shop.customer ADD CONSTRAINT round CHECK (id < 900000)")
    code, said = refusal(shop_migration, "check", "--connect")
    assert code == 13 and "3" in said and "round" in said


def with_sql(migration, expression):
    """The new side computes shop.purchase.amount_minor."""
    change_spec(migration, "          amount: { to: amount_minor, scale: 100 }\n", "")
    change_spec(migration, "          placed: placed_at\n", f"""          placed: placed_at
        add:
          amount_minor: {{ sql: "{expression}", from: [ amount ], backward: "0" }}
""")


def test_rows_that_an_expression_of_the_spec_does_not_fit_are_counted_before_the_start(shop_migration):
    with_sql(shop_migration, "(1 / (amount - 5))::bigint")
    code, said = refusal(shop_migration, "check", "--connect")
    assert code == 13 and "shop.purchase refuses 1 of" in said and "order_id=40: 22012 division by zero" in said


def test_an_expression_that_the_new_side_does_not_understand_is_named_and_stops_the_stream(shop_migration):
    with_sql(shop_migration, "no_such_function(amount)")
    code, said = refusal(shop_migration, "check", "--connect")
    assert code == 11 and "shop.purchase.amount_minor" in said and "no_such_function" in said
    refused = shop_migration.up().oxbow("advance", "customer", "--to", "mirrored", check=False)
    has_failed = lambda: refused.returncode == 11 or shop_migration.status()["stream"]["phase"] == "failed"
    shop_migration.wait_until(has_failed, 20, "the advance or the stream has failed")
    assert "The spec has mistakes" in (reason := shop_migration.oxbow("status").stdout) and "no_such_function" in reason


def test_a_constraint_that_would_not_be_enforced_is_refused_by_name(shop_migration):
    execute(shop_migration.new, "ALTER TABLE shop.customer DROP CONSTRAINT customer_email_key")
    execute(shop_migration.new, "ALTER TABLE shop.customer ADD CONSTRAINT one_address UNIQUE (email) DEFERRABLE")
    for command, expected in ((["check", "--connect"], 13), (["up"], 11)):
        code, said = refusal(shop_migration, *command)
        assert code == expected and "one_address of shop.customer" in said and "NOT DEFERRABLE" in said


def test_a_table_that_hides_rows_from_our_role_is_refused_by_name(make_shop, databases, legacy_cluster):
    migration = make_shop(databases.legacy, databases.new,
                          legacy_url=legacy_cluster.url(databases.names[0], "half_blind"))
    execute(migration.legacy, "CREATE ROLE half_blind LOGIN REPLICATION")
    try:
        execute(migration.legacy, "GRANT pg_read_all_data TO half_blind")
        execute(migration.legacy, "ALTER TABLE visits ENABLE ROW LEVEL SECURITY")
        code, said = refusal(migration, "check", "--connect")
        assert code == 13 and "row security of public.visits" in said and "BYPASSRLS" in said
        assert "row security of public.orders" not in said
    finally:
        execute(migration.legacy, "DROP ROLE half_blind")


def test_a_target_that_is_not_empty_is_refused(shop_migration):
    execute(shop_migration.new, "INSERT INTO shop.visit VALUES (1, 1, '/')")
    code, said = refusal(shop_migration, "check", "--connect")
    assert code == 13 and "shop.visit" in said


def test_a_source_without_a_logical_log_is_refused(make_shop, new_cluster, databases):
    with Cluster({"wal_level": "replica"}) as plain:
        migration = make_shop(plain.create_database("legacy"), databases.new)
        code, said = refusal(migration, "check", "--connect")
        assert code == 13 and "wal_level" in said


def test_a_wrong_password_is_named_without_printing_it(make_shop, databases):
    with Cluster(hba=["host all guarded all scram-sha-256"]) as cluster:
        migration = make_shop(cluster.create_database("legacy"), databases.new,
                              legacy_url=f"postgresql://guarded:wr0ngsecret@127.0.0.1:{cluster.port}/legacy")
        cluster.execute("postgres", "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'right'")
        for command in (["check", "--connect"], ["up"]):
            code, said = refusal(migration, *command)
            assert code == 21 and "guarded" in said and "wr0ngsecret" not in said


@pytest.mark.parametrize("side", ["legacy", "new"])
def test_a_database_that_is_away_at_the_start_is_named(make_shop, databases, side):
    away = f"postgresql://postgres@127.0.0.1:{free_port()}/{side}"
    migration = make_shop(databases.legacy, databases.new, **{f"{side}_url": away})
    code, said = refusal(migration, "check", "--connect")
    assert code == 20 and side in said


def test_a_database_that_is_away_at_the_start_is_named_at_once_and_tried_until_it_is_there(make_shop, databases):
    with Cluster() as late:
        legacy = late.create_database("legacy")
        migration = make_shop(legacy, databases.new)
        late.stop()
        migration.up()
        assert "A server cannot be reached: legacy side: database legacy at 127.0.0.1:" in migration.log()
        assert "Connection refused" in migration.log() and "tries again" in migration.log()
        migration.wait_until(lambda: "legacy side: away for 1" in migration.log(), 20, "it says that it still tries")
        late.start()
        migration.wait_until(lambda: "legacy side: can be reached again after" in migration.log(), 20, "it says that the database is there")
        migration.advance("customer")
        migration.wait_until_equal()
        migration.kill()


def test_a_host_that_nobody_knows_is_named_and_tried_again_for_a_name_server_may_be_away(make_shop, databases):
    migration = make_shop(databases.legacy, databases.new, new_url="postgresql://postgres@no-such-host.invalid:5433/new")
    migration.up()
    said = migration.log()
    assert "new side: database new at no-such-host.invalid:5433: could not translate host name" in said and "tries again" in said


def test_a_database_that_comes_up_and_does_not_admit_us_ends_oxbow(make_shop, databases):
    with Cluster(hba=["host all stranger all reject"]) as late:
        legacy = late.create_database("legacy")
        late.execute("postgres", "CREATE ROLE stranger LOGIN")
        migration = make_shop(legacy, databases.new, legacy_url=late.url("legacy", "stranger"))
        late.stop()
        migration.up()
        late.start()
        assert migration.wait_for_exit(20) == 21
        assert "legacy side: " in migration.log() and "stranger" in migration.log()


@pytest.mark.parametrize("side", ["legacy", "new"])
@pytest.mark.parametrize("address, expected, named", [
    ("postgresql://postgres@127.0.0.1:99999/x", 11, "port"),
    ("postgresql://postgres@127.0.0.1:many/x", 11, "port"),
    ("host=127.0.0.1 sslmode=perhaps dbname=x", 11, "sslmode"),
    ("postgresql://postgres@127.0.0.1/x?colour=blue", 11, "connection string"),
    ("postgresql://postgres@127.0.0.1:{port}/not_there", 45, "not_there"),
    ("postgresql://nobody_here@127.0.0.1:{port}/postgres", 21, "nobody_here"),
], ids=["port too large", "port no number", "option value", "unknown option", "unknown database", "unknown role"])
def test_an_address_that_can_never_work_ends_oxbow_at_once(make_shop, databases, legacy_cluster, new_cluster, side, address, expected, named):
    port = (legacy_cluster if side == "legacy" else new_cluster).port
    migration = make_shop(databases.legacy, databases.new, **{f"{side}_url": address.format(port=port)})
    for command in (["check", "--connect"], ["up"]):
        code, said = refusal(migration, *command)
        assert code == expected and f"{side} side: " in said and named in said


def test_a_database_that_goes_away_is_named_in_the_status(own_clusters, make_shop):
    legacy, new = own_clusters
    migration = make_shop(legacy.create_database("legacy"), new.create_database("new"))
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    new.stop()
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "reconnecting", 20, "the loss is shown")
    assert migration.status()["stream"]["reason"]
    execute(migration.legacy, "UPDATE orders SET amount = amount + 1")
    new.start()
    migration.wait_until_equal()


def test_a_damaged_store_is_refused_and_nothing_is_lost(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.stop()
    path = os.path.join(migration.directory, "oxbow.db")
    with open(path, "rb") as file:
        sound = file.read()
    with open(path, "r+b") as file:
        file.seek(100)
        file.write(os.urandom(len(sound) - 200))
    code, said = refusal(migration, "up")
    assert code == 41 and "oxbow.db" in said
    execute(migration.legacy, "UPDATE orders SET amount = amount + 1 WHERE order_id < 100")
    for leftover in ("oxbow.db-wal", "oxbow.db-shm"):
        if os.path.exists(os.path.join(migration.directory, leftover)):
            os.remove(os.path.join(migration.directory, leftover))
    with open(path, "wb") as file:
        file.write(sound)
    migration.up()
    migration.wait_until_equal()


def test_a_store_of_another_program_is_refused_and_left_alone(shop_migration):
    path = os.path.join(shop_migration.directory, "oxbow.db")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE somebody (name)")
    for command in ("up", "audit"):
        code, said = refusal(shop_migration, command)
        assert code == 41 and "oxbow.db" in said
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("somebody",)]


def test_what_stands_where_the_socket_belongs_is_named(shop_migration):
    os.mkdir(os.path.join(shop_migration.directory, "oxbow.sock"))
    code, said = refusal(shop_migration, "up")
    assert code == 2 and "oxbow.sock" in said and "move it away" in said
    code, said = refusal(shop_migration, "status", "--state", "x" * 120)
    assert code == 2 and "--state" in said


def test_a_store_that_cannot_grow_refuses_commands_and_loses_nothing(shop_migration):
    """A limit on file size stands in for a full disk: the next write to the store fails."""
    migration = shop_migration
    migration.up().stop()
    size = max(os.path.getsize(os.path.join(migration.directory, name)) for name in os.listdir(migration.directory)
               if name.startswith("oxbow.db"))

    def small_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    process = subprocess.Popen([BINARY, "up"], cwd=migration.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, preexec_fn=small_disk)
    try:
        migration.wait_until(lambda: process.poll() is not None or migration.answers(), 20, "oxbow up answers or gives up")
        if process.poll() is None:
            code, said = refusal(migration, "advance", "customer", "--to", "mirrored")
        else:
            code, said = process.returncode, process.stdout.read()
        assert code == 40 and "store" in said
    finally:
        process.kill()
        process.wait()
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.wait_until_equal()


def test_commands_say_what_to_do(shop_migration):
    migration = shop_migration
    assert refusal(migration, "status")[0] == 43
    assert refusal(migration, "fly")[0] == 2
    for number in ("-5", "1.5", "many", "99999999999999999999"):
        code, said = refusal(migration, "rate", "--rows", number)
        assert code == 2 and number in said
    migration.up()
    code, said = refusal(migration, "advance", "custmer", "--to", "mirrored")
    assert code == 45 and "customer" in said
    code, said = refusal(migration, "advance", "customer", "--to", "new-read")
    assert code == 44 and "mirrored" in said
    assert refusal(migration, "advance", "customer", "--to", "mirored")[0] == 2


def test_init_says_which_address_is_wrong_and_writes_nothing(tmp_path, databases):
    migration = Migration(tmp_path, "", databases.legacy, databases.new, [])
    os.remove(tmp_path / "oxbow.yaml")
    away = f"postgresql://postgres@127.0.0.1:{free_port()}/x"
    for legacy, new, expected, side in (("nonsense", databases.new, 2, "legacy"), (databases.legacy, "nonsense", 2, "new"),
                                        (away, databases.new, 20, "legacy"), (databases.legacy, away, 20, "new"),
                                        (databases.legacy, databases.new + "_not", 45, "new")):
        code, said = refusal(migration, "init", "--legacy", legacy, "--new", new)
        assert code == expected and f"{side} side: " in said
    assert not (tmp_path / "oxbow.yaml").exists()


def test_init_writes_a_spec_whose_open_decisions_are_refused_until_made(tmp_path, databases):
    execute(databases.legacy, shop.LEGACY_SCHEMA)
    execute(databases.new, shop.NEW_SCHEMA)
    migration = Migration(tmp_path, "", databases.legacy, databases.new, [])
    os.remove(tmp_path / "oxbow.yaml")
    migration.oxbow("init", "--legacy", databases.legacy, "--new", databases.new)
    code, said = refusal(migration, "check")
    assert code == 12 and "oxbow.yaml:" in said
