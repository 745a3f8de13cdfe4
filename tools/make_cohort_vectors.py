#!/usr/bin/env python3
"""Asks a PostgreSQL server for the cohort buckets of keys, and prints test/golden/cohort_buckets.txt.

    tools/make_cohort_vectors.py "postgresql:///postgres" > test/golden/cohort_buckets.txt

The file is frozen: a key must have the same bucket for ever. Make it anew only to add keys.
"""

import sys

import psycopg2

SALTS = ["", "cohort/billing/payment", "s", "billing:shadow"]
KEYS = ["", "0", "1", "-1", "4711", "4712", "9223372036854775807", "it's", "a:b", "Größe", "漢字", "🦆",
        "5f0c1c6e-7f1e-4f1e-8a1e-0123456789ab", "x" * 55, "x" * 56, "x" * 200, " ", "a\\b"]
KEYS += [str(key * 7919) for key in range(80)]
KEYS += ["A-4711", "a%20b", "/payments?state=open", "-9223372036854775808", "x" * 1024]

BUCKET = "(('x' || substr(md5(%(salt)s || ':' || %(key)s), 1, 8))::bit(32)::bigint * 10000) >> 32"


def main():
    print("# salt, key, bucket: what a PostgreSQL server computes; made by tools/make_cohort_vectors.py")
    with psycopg2.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
        for salt in SALTS:
            for key in KEYS:
                cursor.execute("SELECT " + BUCKET, {"salt": salt, "key": key})
                print(salt, key, cursor.fetchone()[0], sep="\t")


if __name__ == "__main__":
    main()
