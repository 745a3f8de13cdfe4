"""The command line by itself: exit codes, signals, the control store, help, completion, the man page. No server is
needed: a migration whose databases are away is a migration all the same."""

import json
import os
import pty
import re
import signal
import socket
import sqlite3
import stat
import subprocess

import pytest

from cluster import free_port
from migration import BINARY, ROOT, Migration

SPEC = """\
migration: cli
owners: {{ legacy: a, new: b, coexistence: c }}
systems:
  legacy: {{ database: "postgresql://nobody@127.0.0.1:{port}/legacy" }}
  new: {{ database: "postgresql://nobody@127.0.0.1:{port}/new" }}
entities:
  customer:
    key: customer_id
    tables:
      - {{ legacy: public.customers, new: shop.customer }}
    cohorts:
      - {{ name: pilot, keys: [ "1" ] }}
      - {{ name: rest }}
    reads: {{ latency: new-read }}
    routes:
      - {{ route: "GET /customers/{{customer_id}}", read: latency }}
      - {{ route: "POST /customers", write: true, operation_key: [ header.Request-Id ], key: body.customer.id }}
      - {{ route: "GET /orders", read: latency, key: header.X-Customer, host: shop.example }}
"""


@pytest.fixture
def migration(tmp_path):
    with Migration(tmp_path, SPEC.format(port=free_port()), None, None, []) as made:
        yield made


def run(*arguments, **options):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, **options)


def commands():
    listing = run("help").stdout.split("Subcommands:\n")[1]
    return re.findall(r"^  ([a-z]+(?:-[a-z]+)*) ", listing, re.MULTILINE)


def options(*command):
    return set(re.findall(r"--[a-z-]+", run("help", *command).stdout.split("Options:\n")[1]))


def test_the_first_signal_ends_it_in_order(migration):
    migration.up()
    assert migration.stop() == 0
    assert not os.path.exists(os.path.join(migration.directory, "oxbow.sock"))
    assert "is down" in migration.log()


def test_after_a_kill_the_next_one_starts(migration):
    migration.up().kill()
    assert os.path.exists(os.path.join(migration.directory, "oxbow.sock")), "a kill leaves it behind"
    assert migration.oxbow("status", check=False).returncode == 43
    migration.up()
    assert migration.stop() == 0


def test_a_second_up_names_the_first(migration):
    migration.up()
    second = migration.oxbow("up", check=False)
    assert second.returncode == 42 and str(migration.process.pid) in second.stderr
    assert migration.running() and migration.answers()


def test_the_store_and_the_socket_are_for_their_owner_alone(migration):
    migration.up()
    for name in ("oxbow.db", "oxbow.sock"):
        mode = os.stat(os.path.join(migration.directory, name)).st_mode
        assert stat.S_IMODE(mode) == 0o600, name


def test_the_state_can_live_elsewhere(migration, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    assert run("--state", str(state), "audit", cwd=migration.directory).returncode == 45
    process = subprocess.Popen([BINARY, "--state", str(state), "up"], cwd=migration.directory, stderr=subprocess.DEVNULL)
    try:
        here = ("--state", str(state), "status")
        migration.wait_until(lambda: run(*here, cwd=migration.directory).returncode == 0, 20, "oxbow up answers")
        assert (state / "oxbow.db").exists()
        assert not os.path.exists(os.path.join(migration.directory, "oxbow.db"))
    finally:
        process.terminate()
        process.wait()


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(migration):
    path = os.path.join(migration.directory, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(20)
        migration.up(NOTIFY_SOCKET=path)
        assert manager.recv(100) == b"READY=1"
        migration.stop()
        assert manager.recv(100) == b"STOPPING=1"


def test_a_dry_run_lists_the_actions_and_journals_nothing(migration):
    migration.up()
    before = migration.ask("audit")["records"]
    said = migration.oxbow("advance", "customer", "--to", "mirrored", "--dry-run").stdout
    assert "1. journal:" in said and "replication slot" in said
    assert migration.ask("audit")["records"] == before


def test_an_advance_that_cannot_start_can_be_called_back(migration):
    """Both databases are away, which may pass: it is tried until somebody thinks better of it."""
    migration.up()
    waiting = subprocess.Popen([BINARY, "advance", "customer", "--cohort", "pilot", "--to", "mirrored"],
                               cwd=migration.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    cohort = lambda: migration.status()["cohorts"][0]
    migration.wait_until(lambda: cohort()["problem"], 20, "the problem is shown")
    assert cohort()["problem"]["code"] == "unreachable" and cohort()["moving_to"] == "mirrored"
    migration.oxbow("rollback", "customer", "--cohort", "pilot", "--to", "legacy")
    assert waiting.wait(20) == 24
    assert cohort()["state"] == "legacy" and not cohort()["moving_to"]


def test_an_advance_under_way_survives_a_kill(migration):
    migration.up()
    waiting = subprocess.Popen([BINARY, "advance", "customer", "--to", "mirrored"], cwd=migration.directory,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    migration.wait_until(lambda: migration.status()["cohorts"][0]["moving_to"], 20, "it is under way")
    migration.kill()
    assert waiting.wait(20) == 43
    migration.up()
    assert migration.status()["cohorts"][0]["moving_to"] == "mirrored"


def test_a_refusal_is_json_where_json_was_asked_for(migration):
    refused = migration.oxbow("status", "--json", check=False)
    assert refused.returncode == 43
    assert json.loads(refused.stdout)["error"]["code"] == "not_running"
    migration.up()
    refused = migration.oxbow("verify", "--json", check=False)
    assert refused.returncode == 44
    assert "oxbow advance customer" in json.loads(refused.stdout)["error"]["detail"]


def test_a_reason_is_kept_with_who_gave_it(migration):
    migration.up()
    migration.oxbow("halt", "--why", "odd numbers at noon")
    status = migration.status()
    assert status["halted"]["why"] == "odd numbers at noon"
    assert status["last_events"][-1]["who"] not in ("", "oxbow")
    assert "HALTED" in migration.oxbow("status").stdout
    assert migration.oxbow("advance", "customer", "--to", "mirrored", check=False).returncode == 44
    migration.oxbow("resume")
    assert migration.status()["halted"] is None


def test_limits_stay_as_they_were_ordered_after_a_restart(migration):
    migration.up()
    migration.oxbow("rate", "--rows", "1000")
    migration.oxbow("rate", "--workers", "3")
    migration.kill()
    migration.up()
    assert migration.status()["rate"] == {"rows_per_second_max": 1000, "bytes_per_second_max": 0, "workers": 3}


def test_audit_finds_a_journal_that_was_tampered_with(migration):
    migration.up()
    migration.oxbow("halt", "--why", "x")
    migration.stop()
    assert migration.oxbow("audit").returncode == 0
    with sqlite3.connect(os.path.join(migration.directory, "oxbow.db")) as store:
        store.execute("DROP TRIGGER journal_never_changes")
        store.execute("UPDATE journal SET body = replace(body, '\"why\":\"x\"', '\"why\":\"y\"')")
    store.close()
    found = migration.oxbow("audit", check=False)
    assert found.returncode == 41 and "record 2" in found.stderr
    assert migration.oxbow("up", check=False).returncode == 41


def test_a_socket_path_that_is_too_long_is_explained(tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    migration = Migration(deep, SPEC.format(port=1), None, None, [])
    refused = run("--spec", os.path.join(migration.directory, "oxbow.yaml"), "up")
    assert refused.returncode == 2 and "--state" in refused.stderr


def on_a_terminal(*arguments, cwd, **environment):
    """What the command writes when its output is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BINARY, *arguments], cwd=cwd, stdout=theirs, stderr=theirs, env={**os.environ, **environment})
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the terminal is gone with the last process that had it
            break
        written += piece
    process.wait()
    os.close(ours)
    return written.decode()


def test_colours_are_for_terminals_without_no_color(migration):
    migration.up()
    assert "\x1b[" in on_a_terminal("status", cwd=migration.directory)
    assert "\x1b[" not in on_a_terminal("status", cwd=migration.directory, NO_COLOR="1")
    assert "\x1b[" not in migration.oxbow("status").stdout


def test_watch_shows_it_again_until_it_is_stopped(migration):
    migration.up()
    # Who runs the tests in the background of a shell has SIGINT ignored, and a child would inherit that.
    watch = subprocess.Popen([BINARY, "status", "--watch", "--json"], cwd=migration.directory, stdout=subprocess.PIPE, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    first, second = json.loads(watch.stdout.readline()), json.loads(watch.stdout.readline())
    assert first["now"] < second["now"]
    watch.send_signal(signal.SIGINT)
    assert watch.wait(20) == -signal.SIGINT


def test_every_command_explains_itself():
    assert len(commands()) >= 18
    for command in commands():
        by_help, by_option = run("help", command), run(command, "--help")
        assert by_help.returncode == by_option.returncode == 0
        assert by_help.stdout == by_option.stdout and command in by_help.stdout


def test_the_version_is_a_command_and_an_option():
    for json_or_not in ([], ["--json"]):
        by_command, by_option = run("version", *json_or_not), run("--version", *json_or_not)
        assert by_option.returncode == 0 and by_option.stdout == by_command.stdout != ""
        assert run(*json_or_not, "--version").stdout == by_command.stdout


def test_a_mistyped_word_is_answered_with_the_right_one():
    refused = run("stauts")
    assert refused.returncode == 2 and "did you mean `status`?" in refused.stderr
    assert run().returncode == 2
    assert run("rate", "--rows", "many").returncode == 2
    assert run("--log", "loud", "version").returncode == 2
    assert run("completion", "tcsh").returncode == 2


def test_the_man_page_has_every_command_and_option_and_no_other():
    with open(os.path.join(ROOT, "docs", "oxbow.1"), encoding="utf-8") as file:
        page = file.read().replace("\\-", "-")
    described = set(re.findall(r"^\.B ([a-z]+(?:-[a-z]+)*)", page.split(".SH COMMANDS")[1].split(".SH EXIT STATUS")[0], re.MULTILINE))
    assert set(commands()) <= described
    known = options()
    for command in commands():
        known |= options(command)
    written = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", page))
    assert written == known


def test_route_explains_a_decision_without_a_running_oxbow(migration):
    said = migration.oxbow("route", "GET /customers/1").stdout.splitlines()
    assert said[0] == "request: GET /customers/1"
    assert said[1].startswith("states: every cohort in legacy, because no oxbow runs, and there is no journal") and "oxbow.db" in said[1]
    assert said[3:] == ["key: path.customer_id is 1", "cohort: pilot, which names this key", "state: legacy",
                        "answers: legacy; this class of reads moves in new-read", "shadow: none in this state"]
    said = migration.oxbow("route", "/customers/1", "--state-of", "new-read").stdout
    assert "answers: new; this class of reads moved in new-read" in said and "shadow: legacy; 100%" in said


def test_route_takes_fields_and_bodies(migration):
    ask = lambda *words: migration.ask("route", *words, "--state-of", "new-write")
    written = ask("POST /customers", "--body", '{"customer": {"id": 1}}')
    assert (written["side"], written["cohort"], written["key"]) == ("new", "pilot", "1")
    assert ask("POST /customers", "--body", "id=1")["key"] is None
    listed = ask("GET /orders", "--header", "Host: shop.example", "--header", "X-Customer: 2")
    assert (listed["side"], listed["shadow"], listed["cohort"]) == ("legacy", "new", "rest")
    assert ask("GET /orders")["because"] == "unlisted"


def test_route_asks_the_running_oxbow(migration):
    migration.up()
    said = migration.ask("route", "GET /customers/1")
    assert said["lines"][1] == "states: those of the running oxbow" and said["state"] == "legacy"


def test_route_says_when_it_does_not_know_the_states(migration):
    migration.up()
    migration.stop()
    said = migration.ask("route", "GET /customers/1")["lines"][1]
    assert said.startswith("states: those of the journal ") and said.endswith("oxbow.db, because no oxbow runs")
    with open(os.path.join(migration.directory, "oxbow.db"), "wb") as file:
        file.write(b"this is no journal" * 100)
    said = migration.ask("route", "GET /customers/1")["lines"][1]
    assert said.startswith("states: NOT KNOWN, because no oxbow runs and its journal cannot be read"), said


def test_route_names_what_is_no_request(migration):
    for words in (["customers/1"], ["GET /a", "--header", "x"], ["GET /a", "--state-of", "mirored"]):
        assert migration.oxbow("route", *words, check=False).returncode == 2, words
    said = migration.oxbow("route", "GET customers/1", check=False).stderr
    assert "`GET customers/1` is no request: a path begins with a slash, as in 'GET /payments/4711'" in said


COMPARE = """compare: [
          { same_class: $.state, classes: [ "(" ] },
          { unordered: $.events },
          { keyed: $.events, by: [ id ] },
          { rename: $.nr, to: number },
          { shape: public.customers, at: $ },
          { shape: public.customers, at: $ } ]"""


@pytest.mark.parametrize("command", [["check"], ["check", "--connect"], ["up"]], ids=" ".join)
def test_rules_of_comparison_that_make_no_sense_are_refused_where_they_are_written(migration, command):
    text = SPEC.format(port=free_port()).replace("new: shop.customer }", "new: shop.customer, columns: { nr: id, name: full_name } }")
    migration.write_spec(text.replace('{customer_id}", read: latency', '{customer_id}", read: latency, ' + COMPARE))
    refused = migration.oxbow(*command, check=False)
    assert refused.returncode == 11
    assert re.findall(r"oxbow.yaml:(\d+:\d+): (.*)", refused.stderr) == [
        ("17:11", "the regular expression '(' is not understood: missing ): ("),
        ("19:11", "'$.events' has a rule unordered already (line 18), which keyed contradicts"),
        ("20:11", "'$.nr' has a rule rename already (line 21), which rename contradicts"),
        ("22:11", "'$.nr' has a rule rename already (line 21), which rename contradicts")]


def test_the_man_page_has_every_exit_code():
    with open(os.path.join(ROOT, "src", "base", "error.hpp"), encoding="utf-8") as file:
        codes = set(re.findall(r"(\d+)\)\s*\\?$", file.read(), re.MULTILINE))
    with open(os.path.join(ROOT, "docs", "oxbow.1"), encoding="utf-8") as file:
        listed = set(re.findall(r"^(\d+)\|", file.read(), re.MULTILINE))
    assert len(codes) > 20 and listed == codes | {"0"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_option(shell):
    script = run("completion", shell).stdout
    for command in commands():
        assert command in script
        for option in options(command):
            assert option in script or f"-l {option[2:]}" in script, f"{command} {option}"


def complete(*words):
    """What bash offers for the last word."""
    script = run("completion", "bash").stdout
    line = f"COMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1}; _oxbow; echo \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", script + line], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_bash_completes_commands_states_and_options():
    assert complete("oxbow", "adv") == ["advance"]
    assert complete("oxbow", "advance", "customer", "--to", "mir") == ["mirrored"]
    assert complete("oxbow", "advance", "customer", "--co") == ["--cohort"]
    assert complete("oxbow", "route", "--state-of", "new-r") == ["new-read"]
    assert complete("oxbow", "--json", "doctor", "--re") == ["--remove"]
