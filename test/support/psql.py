"""psql as a program of its own: somebody who writes around the gateway, and who can be stopped in the middle of it and continued.

    with Psql(url) as old:
        old.run("BEGIN")
        with old.stopped():
            ...
        assert old.run("COMMIT") == []
"""

import contextlib
import os
import signal
import subprocess

from cluster import binary, die_with_parent

_END = "-- end of the answer --"


class Psql:
    def __init__(self, url, application="old program"):
        self._program = subprocess.Popen([binary("psql"), "-XqAt", "-v", "VERBOSITY=sqlstate", url], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1, preexec_fn=die_with_parent,
                                         env={**os.environ, "PGAPPNAME": application})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._program.kill()
        self._program.communicate()

    def send(self, sql):
        """Does not wait for the answer, which a program that is stopped would never give."""
        self._program.stdin.write(f"{sql};\n\\echo {_END}\n")

    def answer(self):
        """Its lines; a refused statement is a line `ERROR:  OX001`."""
        lines = []
        while (line := self._program.stdout.readline().rstrip("\n")) != _END:
            assert line or self._program.poll() is None, "psql has ended"
            lines.append(line)
        return lines

    def run(self, sql):
        self.send(sql)
        return self.answer()

    @contextlib.contextmanager
    def stopped(self):
        self._program.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(self._program.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        try:
            yield
        finally:
            self._program.send_signal(signal.SIGCONT)
