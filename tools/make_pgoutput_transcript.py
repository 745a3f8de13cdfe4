#!/usr/bin/env python3
"""Runs SQL on a PostgreSQL server and writes what pgoutput says of it to test/golden/pgoutput.txt.

    tools/make_pgoutput_transcript.py "postgresql:///scratch" > test/golden/pgoutput.txt

Needs psql, wal_level = logical, a superuser, and a database in which it may create and drop the schema
"oxbow_golden". The unit test of src/protocol/pgoutput_decoder.cpp says what each message must become.
"""

import subprocess
import sys

SETUP = """
DROP SCHEMA IF EXISTS oxbow_golden CASCADE;
CREATE SCHEMA oxbow_golden;
SET search_path = oxbow_golden;
CREATE TYPE mood AS ENUM ('ok', 'bad');
CREATE TABLE item (id int8 PRIMARY KEY, label text, price numeric(10,2),
                   twice int8 GENERATED ALWAYS AS (id * 2) STORED, mood mood);
CREATE TABLE whole (a int4, b text);
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE large (id int4 PRIMARY KEY, small int4, body text);
ALTER TABLE large ALTER body SET STORAGE EXTERNAL;
CREATE TABLE legacy_type (id int4 PRIMARY KEY, acl aclitem);
CREATE PUBLICATION oxbow_golden FOR TABLE item, whole, large, legacy_type;
SELECT pg_create_logical_replication_slot('oxbow_golden', 'pgoutput') \\g /dev/null
SELECT pg_replication_origin_create('oxbow_golden') \\g /dev/null
"""

STEPS = """
INSERT INTO item VALUES (1, 'cup', 12.50, DEFAULT, 'ok'), (2, NULL, NULL, DEFAULT, NULL);
UPDATE item SET label = 'mug' WHERE id = 1;
UPDATE item SET id = 7 WHERE id = 2;
DELETE FROM item WHERE id = 7;
INSERT INTO whole VALUES (1, NULL);
UPDATE whole SET b = 'x' WHERE a = 1;
DELETE FROM whole;
INSERT INTO large VALUES (1, 1, repeat('long', 1000));
UPDATE large SET small = 2;
TRUNCATE item, whole RESTART IDENTITY CASCADE;
SELECT pg_logical_emit_message(false, 'oxbow', 'marker') \\g /dev/null
BEGIN;
INSERT INTO item VALUES (3);
SELECT pg_logical_emit_message(true, 'oxbow', '') \\g /dev/null
COMMIT;
SELECT pg_replication_origin_session_setup('oxbow_golden') \\g /dev/null
INSERT INTO item VALUES (4);
SELECT pg_replication_origin_session_reset() \\g /dev/null
ALTER TABLE item ADD extra bool;
INSERT INTO item (id, extra) VALUES (5, true);
INSERT INTO legacy_type VALUES (1, 'postgres=r/postgres');
"""

READ = """
COPY (SELECT lsn, encode(data, 'hex') FROM pg_logical_slot_get_binary_changes('oxbow_golden', NULL, NULL,
      'proto_version', '1', 'publication_names', 'oxbow_golden', 'binary', 'true', 'messages', 'true'))
  TO STDOUT;
"""

CLEAN_UP = """
SELECT pg_drop_replication_slot('oxbow_golden') \\g /dev/null
SELECT pg_replication_origin_drop('oxbow_golden') \\g /dev/null
DROP PUBLICATION oxbow_golden;
DROP SCHEMA oxbow_golden CASCADE;
"""


def main():
    script = "SET client_min_messages = error;" + SETUP + STEPS + READ + CLEAN_UP
    psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", sys.argv[1]]
    done = subprocess.run(psql, input=script, text=True, stdout=subprocess.PIPE, check=True)
    print("# Written by tools/make_pgoutput_transcript.py from a PostgreSQL 15 server; do not edit.")
    print("# Position in the log and one message in hex, separated by a tab. What was done:")
    for step in STEPS.strip().splitlines():
        print("#   " + step)
    sys.stdout.write(done.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
