"""Certificates that a test makes for itself, with the openssl command."""

import os
import shutil
import subprocess


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


class Authority:
    """A private authority whose files stand in `directory`."""

    def __init__(self, directory, name="authority"):
        self.directory = str(directory)
        self.path = self._file(name + ".pem")
        self._key = self._file(name + ".key")
        self._requests = 0
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self._key,
                 "-out", self.path, "-days", "2", "-subj", f"/CN={name}")

    def _file(self, name):
        return os.path.join(self.directory, name)

    def issue(self, name, *, hosts="DNS:localhost,IP:127.0.0.1"):
        """A certificate and its key: two paths. What was issued under this name before is replaced, each file at once."""
        self._requests += 1
        request, extensions = self._file("request.csr"), self._file("extensions")
        made = self._file(name + ".pem"), self._file(name + ".key")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"subjectAltName={hosts}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", made[1] + ".made",
                 "-out", request, "-subj", f"/CN={name}-{self._requests}")
        _openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self._key, "-CAcreateserial", "-days", "2",
                 "-extfile", extensions, "-out", made[0] + ".made")
        for path in made:
            shutil.move(path + ".made", path)
        return made
