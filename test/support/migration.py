"""One migration under test: a directory with oxbow.yaml, an `oxbow up` process and the commands that talk to it.

Nothing here decides whether the two sides are equal; that is the oracle's business.
"""

import contextlib
import json
import os
import signal
import subprocess
import time

from cluster import die_with_parent
from oracle import compare

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("OXBOW_BINARY", os.path.join(ROOT, "build", "dev", "src", "apps", "oxbow"))
GIVEN_UP = 24  # a handover; nothing has moved


class Migration:
    """`directory` receives oxbow.yaml, oxbow.db and the log `up.log`; every command runs inside it."""

    def __init__(self, directory, spec, legacy, new, comparisons, binary=BINARY):
        self.directory = str(directory)
        self.legacy = legacy  # URLs for the oracle and the workload, never through a proxy
        self.new = new
        self.comparisons = comparisons
        self.binary = binary
        self.process = None
        self.write_spec(spec)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def write_spec(self, text):
        with open(os.path.join(self.directory, "oxbow.yaml"), "w", encoding="utf-8") as file:
            file.write(text)

    # The process.

    def up(self, failpoint=None, wait=True, stdout=None, stderr=None, **environment):
        """Starts `oxbow up`. Waits until it answers, unless it is expected to fail first. `stdout` and `stderr` are descriptors;
        the log if left out."""
        assert not self.running()
        if failpoint:
            environment["OXBOW_FAILPOINT"] = failpoint
        with open(self.log_path(), "ab") as log:
            self.process = subprocess.Popen([self.binary, "up"], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=stdout or log,
                                            stderr=stderr or log, env={**os.environ, **environment}, preexec_fn=die_with_parent)
        if wait:
            self.wait_until(lambda: self.answers() or not self.running(), 30, "oxbow up answers")
            assert self.running() or failpoint, f"oxbow up ended with {self.process.returncode}:\n{self.log()}"
        return self

    def answers(self):
        return self.oxbow("status", "--json", check=False).returncode == 0

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL: nothing in oxbow gets a chance to clean up."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def wait_for_exit(self, seconds=30):
        return self.process.wait(seconds)

    def log_path(self):
        return os.path.join(self.directory, "up.log")

    def log(self):
        with contextlib.suppress(FileNotFoundError), open(self.log_path(), encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]
        return ""

    def peak_rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    # Commands.

    def oxbow(self, *arguments, check=True, timeout=120, failpoint=None):
        environment = {**os.environ, "OXBOW_FAILPOINT": failpoint} if failpoint else None
        done = subprocess.run([self.binary, *arguments], cwd=self.directory, capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL, env=environment)
        if check:
            assert done.returncode == 0, (f"oxbow {' '.join(arguments)} ended with {done.returncode}:\n"
                                          f"{done.stdout}{done.stderr}\noxbow up said:\n{self.log()}")
        return done

    def ask(self, *arguments):
        return json.loads(self.oxbow(*arguments, "--json").stdout)

    def status(self):
        return self.ask("status")

    def tables(self):
        return self.status()["tables"]

    def findings(self, kind=None):
        return [finding for finding in self.ask("findings")["findings"] if kind in (None, finding["kind"])]

    def advance(self, *entities):
        for entity in entities:
            self.oxbow("advance", entity, "--to", "mirrored")

    def roll_back(self, *entities):
        for entity in entities:
            self.oxbow("rollback", entity, "--to", "legacy")

        def is_back():
            return all(cohort["state"] == "legacy" for cohort in self.status()["cohorts"] if cohort["entity"] in entities)

        self.wait_until(is_back, 30, f"{', '.join(entities)} is back in legacy")

    def hand_over(self, verb, entity, cohort, to, tries=5):
        """What oxbow said, and how often it gave up before: a handover that takes too long leads back, and nothing has moved."""
        for given_up in range(tries):
            done = self.oxbow(verb, entity, "--cohort", cohort, "--to", to, "--wait", check=False)
            if done.returncode != GIVEN_UP:
                break
        assert done.returncode == 0, f"oxbow {verb} --to {to} ended with {done.returncode}:\n{done.stdout}{done.stderr}\n{self.describe()}"
        return done.stdout, given_up

    def set_rate(self, rows_per_second):
        """0: no limit."""
        self.oxbow("rate", "--rows", str(rows_per_second))

    def verify(self, *arguments):
        """The report of `oxbow verify --json` and its exit code."""
        done = self.oxbow("verify", *arguments, "--json", check=False, timeout=600)
        return json.loads(done.stdout.strip().splitlines()[-1]), done.returncode

    def prove_equal(self, *arguments):
        """What oxbow must say of equal sides; returns its report."""
        report, code = self.verify(*arguments)
        assert (report.get("state"), code) == ("equal", 0), json.dumps(report, indent=1, ensure_ascii=False)[:4000]
        return report

    # Waiting, always for a fact and never for a while.

    def wait_until(self, fact, seconds, what):
        deadline = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds} s it still does not hold: {what}\n{self.describe()}")
            time.sleep(0.05)

    def describe(self):
        state = self.oxbow("status", check=False).stdout if self.running() else "oxbow is not running"
        return f"{state}\noxbow up said:\n{self.log()}"

    def is_backfilled(self):
        """True once what was advanced is mirrored and every range of every table that takes part has been copied."""
        status = self.status()
        if any(cohort["moving_to"] for cohort in status["cohorts"]):
            return False
        tables = [table for table in status["tables"] if table["phase"] != "idle"]
        return bool(tables) and all(table["phase"] == "following" for table in tables)

    def wait_until_backfilled(self, seconds=60):
        self.wait_until(self.is_backfilled, seconds, "the backfill is complete")

    def wait_until_copying(self, seconds=30):
        self.wait_until(lambda: any(table["rows_copied"] > 0 for table in self.tables()), seconds, "rows are being copied")

    def judge(self):
        return compare(self.legacy, self.new, self.comparisons)

    def wait_until_equal(self, seconds=60):
        """The workload has stopped: after a while nothing may differ, and nothing may differ later."""
        deadline = time.monotonic() + seconds
        while not (verdict := self.judge()).equal:
            if time.monotonic() > deadline:
                raise AssertionError(f"the oracle says, {seconds} s after the last write: {verdict}\n{self.describe()}")
            time.sleep(0.2)
        return verdict
