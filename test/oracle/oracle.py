"""The independent judge: do two databases hold the same rows, in the sense that a person wrote down?

It shares no code, no library and no idea with oxbow: each database renders its rows as text by plain SQL, sorts them
bytewise, and two `psql` streams are merged here. It compares every row, as a multiset, and assumes that nobody writes
meanwhile.

    compare(legacy_url, new_url, [Comparison("payments", "SELECT id, ...", "SELECT payment_id, ...", key=1)])

    oracle.py LEGACY_URL NEW_URL COMPARISONS.json      exit 0: equal, 1: different, 2: could not compare
"""

import contextlib
import dataclasses
import glob
import itertools
import json
import re
import subprocess
import sys

import psycopg2


@dataclasses.dataclass
class Comparison:
    """Two queries that must give the same rows. Their first `key` columns say which rows belong together."""

    name: str
    legacy: str
    new: str
    key: int = 1


@dataclasses.dataclass
class Difference:
    """A row that one side lacks (None), or that both have with other values. Fields are text; None is NULL."""

    name: str
    legacy: tuple | None
    new: tuple | None

    def __str__(self):
        if self.new is None:
            return f"{self.name}: only in legacy: {_show(self.legacy)}"
        if self.legacy is None:
            return f"{self.name}: only in new: {_show(self.new)}"
        pairs = [f"column {place + 1}: legacy {_clip(old)}, new {_clip(new)}"
                 for place, (old, new) in enumerate(itertools.zip_longest(self.legacy, self.new)) if old != new]
        return f"{self.name}: {_show(self.legacy[:1])} differs: {'; '.join(pairs)}"


@dataclasses.dataclass
class Verdict:
    rows: int = 0  # compared, as counted on legacy
    differing: int = 0
    samples: list = dataclasses.field(default_factory=list)

    @property
    def equal(self):
        return self.differing == 0

    def __str__(self):
        if self.equal:
            return f"equal: {self.rows:,} rows"
        return "\n".join([f"different: {self.differing:,} differences over {self.rows:,} legacy rows",
                          *(f"  {sample}" for sample in self.samples)])


def compare(legacy_url, new_url, comparisons, sample_max=10):
    verdict = Verdict()
    for comparison in comparisons:
        key = comparison.key
        with _Rows(legacy_url, comparison.legacy, key) as legacy, _Rows(new_url, comparison.new, key) as new:
            for old, other in _merge(legacy, new, key):
                verdict.rows += old is not None
                if old == other:
                    continue
                verdict.differing += 1
                if len(verdict.samples) < sample_max:
                    verdict.samples.append(Difference(comparison.name, old and _fields(old), other and _fields(other)))
    return verdict


_PSQL = sorted(glob.glob("/usr/lib/postgresql/*/bin/psql"))[-1:] or ["psql"]


# One way to print every value, whatever the settings of the server or of the role are.
_SETTINGS = {"client_encoding": "UTF8", "timezone": "UTC", "datestyle": "ISO, MDY", "intervalstyle": "postgres",
             "bytea_output": "hex", "extra_float_digits": "3"}

_PSQL = sorted(glob.glob("/usr/lib/postgresql/*/bin/psql"))[-1:] or ["psql"]


class _Rows:
    """Lines of COPY text for a query: every column as text, in the bytewise order of the key's text."""

    def __init__(self, url, query, key):
        self.query = query
        columns = [f"column_{place}" for place in range(1, _column_count(url, query) + 1)]
        shown = ", ".join(f"{column}::text" for column in columns)
        order = ", ".join(f'{column}::text COLLATE "C" NULLS FIRST' for column in columns[:key])
        sql = f"COPY (SELECT {shown} FROM ({query}) AS asked ({', '.join(columns)}) ORDER BY {order}) TO STDOUT"
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"SET {name} = '{value}'")]
        self.process = subprocess.Popen([*_PSQL, url, "-X", "-q", "-v", "ON_ERROR_STOP=1", *settings, "-c", sql],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def __iter__(self):
        for line in self.process.stdout:
            yield line.rstrip(b"\n")
        complaint = self.process.stderr.read().decode(errors="replace")
        if self.process.wait() != 0:
            raise RuntimeError(f"the oracle's query failed: {complaint.strip()}\n{self.query}")


def _column_count(url, query):
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}) AS asked LIMIT 0")
        return len(cursor.description)


def _merge(legacy, new, key):
    """Pairs of lines that belong together; None stands for a row that the side lacks."""
    legacy, new = _groups(legacy, key), _groups(new, key)
    old, other = next(legacy, None), next(new, None)
    while old or other:
        order = 0 if old and other and old[0] == other[0] else _order(old, other)
        yield from _pair_off(old[1] if order <= 0 else [], other[1] if order >= 0 else [])
        if order <= 0:
            old = next(legacy, None)
        if order >= 0:
            other = next(new, None)


def _groups(lines, key):
    """(key fields, lines) of each key in turn; usually one line."""
    for fields, group in itertools.groupby(lines, lambda line: line.split(b"\t", key)[:key]):
        yield fields, list(group)


def _order(old, other):
    """Which key comes first in the order of the database; a stream that has ended comes last."""
    if old is None or other is None:
        return 1 if old is None else -1
    mine, theirs = ([_sortable(field) for field in group[0]] for group in (old, other))
    return (mine > theirs) - (mine < theirs)


def _sortable(field):
    return (0, b"") if field == b"\\N" else (1, _unescape(field))


def _pair_off(old, other):
    """Equal rows first, so that duplicates are counted and what remains is really different."""
    rest = list(other)
    unmatched = []
    for line in old:
        if line in rest:
            rest.remove(line)
            yield line, line
        else:
            unmatched.append(line)
    yield from itertools.zip_longest(unmatched, rest)


_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def _unescape(field):
    if b"\\" not in field:
        return field
    return re.sub(rb"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), field, flags=re.DOTALL)


def _fields(line):
    return tuple(None if field == b"\\N" else _unescape(field).decode() for field in line.split(b"\t"))


def _clip(value, length=60):
    if value is None:
        return "NULL"
    return repr(value if len(value) <= length else f"{value[:length]}... ({len(value)} characters)")


def _show(row):
    return "(" + ", ".join(_clip(value) for value in row[:8]) + (", ..." if len(row) > 8 else "") + ")"


def main():
    if len(sys.argv) != 4:
        print(__doc__.strip().splitlines()[-1], file=sys.stderr)
        return 2
    with open(sys.argv[3], encoding="utf-8") as file:
        comparisons = [Comparison(**entry) for entry in json.load(file)]
    try:
        verdict = compare(sys.argv[1], sys.argv[2], comparisons)
    except (RuntimeError, psycopg2.Error) as error:
        print(f"oracle: {error}", file=sys.stderr)
        return 2
    print(f"oracle: {verdict}")
    return 0 if verdict.equal else 1


if __name__ == "__main__":
    sys.exit(main())
