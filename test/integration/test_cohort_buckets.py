"""The bucket of a key is the same in C++ and in SQL for ever: a server computes every frozen vector by the SQL that the
program uses. The unit test beside core/cohort does the same in C++, and compares that SQL."""

import os

import psycopg2

from migration import ROOT


def golden(name):
    with open(os.path.join(ROOT, "test", "golden", name), encoding="utf-8") as file:
        return file.read().splitlines()


def test_a_server_computes_every_frozen_bucket(legacy_cluster):
    sql = "SELECT " + golden("cohort_bucket_sql.txt")[0].replace("'SALT:'", "%(salt)s || ':'").replace("KEY", "%(key)s")
    vectors = [line.split("\t") for line in golden("cohort_buckets.txt") if not line.startswith("#")]
    with psycopg2.connect(legacy_cluster.url("postgres")) as connection, connection.cursor() as cursor:
        for salt, key, bucket in vectors:
            cursor.execute(sql, {"salt": salt, "key": key})
            assert cursor.fetchone()[0] == int(bucket), (salt, key)
    assert len(vectors) > 400 and {salt for salt, _, _ in vectors} >= {"cohort/billing/payment", "billing:shadow"}
