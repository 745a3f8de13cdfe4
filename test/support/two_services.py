"""A migration with a gateway between users and two services, each of which writes its own database."""

import contextlib
import hashlib
import http.client
import json

from cluster import free_port
from migration import BINARY, Migration
from sql_service import sql_service


def cohorts_of_keys(migration, entity, shares, count):
    """The keys 1 to `count` of each cohort, by the same rule as oxbow and both databases. `shares`: {name: percent} in the order of
    the spec."""
    found, ends, end = {cohort: [] for cohort in shares}, [], 0
    for cohort, percent in shares.items():
        end += percent * 100
        ends.append((end, cohort))
    for key in range(1, count + 1):
        bucket = int(hashlib.md5(f"cohort/{migration}/{entity}:{key}".encode()).hexdigest()[:8], 16) * 10_000 >> 32
        found[next(cohort for end, cohort in ends if bucket < end)].append(key)
    return found


def listed(shares):
    """Cohorts as a spec lists them; the last one takes the rest."""
    *first, last = shares
    return ", ".join([f"{{ name: {cohort}, percent: {shares[cohort]} }}" for cohort in first] + [f"{{ name: {last} }}"])


@contextlib.contextmanager
def mirrored_between_services(directory, spec, legacy, new, routes, comparisons, entity, legacy_url=None, binary=BINARY, **words):
    """Mirrored and proven equal; `port` is the gateway's. `spec` is a text with places for both databases, both services, the port and
    `words`. Service and oxbow reach legacy by `legacy_url`, which may lead through a proxy."""
    legacy_url = legacy_url or legacy
    with sql_service(legacy_url, routes["legacy"]) as legacy_service, sql_service(new, routes["new"]) as new_service:
        port = free_port()
        text = spec.format(legacy=legacy_url, new=new, legacy_service=legacy_service, new_service=new_service, port=port, **words)
        with Migration(directory, text, legacy, new, comparisons, binary=binary) as migration:
            migration.port = port
            migration.up().oxbow("advance", entity, "--to", "mirrored", "--wait")
            migration.prove_equal()
            yield migration


def ask(port, method, target, body=None, timeout=20):
    """Status code of the gateway's answer, and what stands in it."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
        text = json.dumps(body) if body is not None else None
        connection.request(method, target, text, {"Content-Type": "application/json", "Operation-Key": f"{method} {target} {text}"})
        answer = connection.getresponse()
        said = answer.read().decode()
        return answer.status, json.loads(said) if said[:1] == "{" else said
