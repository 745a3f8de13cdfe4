#!/usr/bin/env python3
"""Asks a PostgreSQL server what it makes of values, and writes its answers to test/golden/pg_values.txt.

    tools/make_value_vectors.py "postgresql:///postgres" > test/golden/pg_values.txt

The server keeps nothing: all happens in temporary tables. Needs psql and PostgreSQL 15, whose answers the
unit tests of src/core/value expect.
"""

import random
import struct
import subprocess
import sys

INTEGERS = ["0", "1", "-1", "+7", " 42 ", "32767", "-32768", "32768", "2147483647", "-2147483648",
            "2147483648", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-0", "007",
            "", " ", "+", "- 1", "--1", "+-1", "1.0", "1e3", "0x10", "1 2", "x"]

NUMERICS = ["0", "0.000", "-0.00", "-0", "1", "-1", "1.0", "1.50", "-12.50", "1e-20", "1e+30", "1E5",
            "1.5e-3", "1.50e1", "15e-1", "9999", "10000", "10001", "99999999", "100000000", "0.1", "0.01",
            "0.001", "0.0001", "0.00001", "0.00012345", "12345.6789",
            "123456789012345678901234567890.123456789", "NaN", "nan", " NaN ", "Infinity", "-Infinity", "inf",
            "+inf", "-inf", "+Infinity", " 3.14 ", ".5", "5.", "-.5", "0e100000", "1e131071", "1e131072",
            "1e-16383", "1e-16384", "0e-16384", "1" + "0" * 40, "0." + "0" * 40 + "1", "00012.300",
            "-0.0000000000000001", "1234500000", "1000000000000.0001", "", " ", ".", "-", "e5", "1e", "1e+",
            "1..2", "1.2.3", "+NaN", "1e5x", "0x1F", "1_000", "- 1", "1 2", "infinit",
            "99999999999999999999e999999999999"]

NUMERIC_10_2 = ["1", "1.5", "1.50", "1.500", "-0", "12345678.99", "99999999.99", "100000000", "1.005",
                "0.001", "NaN", "Infinity", "-inf", "1e7", "1e8"]
NUMERIC_5_0 = ["0", "-0.0", "12345", "123456", "1.5", "1e4", "1e5"]
NUMERIC_3_MINUS_2 = ["0", "100", "12300", "99900", "99999", "100000", "150", "1", "0.00"]
NUMERIC_2_5 = ["0.00012", "0.00099", "0.001", "0", "0.000001"]

FLOATS = ["0", "-0", "1", "-1", "0.1", "1.5", "100000", "123456", "1234567", "999999", "1e6", "0.0001",
          "0.00001", "0.000123", "1e14", "123456789012345", "1e15", "1234567890123456", "1e16", "1e22",
          "1e23", "3.4028235e38", "1.17549435e-38", "1e-45", "1e-37", "2e-38", "NaN", "Infinity", "-Infinity",
          " inf ", "-inf", "+5", ".5", "5.", "16777216", "16777217", "0.3", "33554432", "8388609.5", "", "x",
          "1e", "1x", "--1", "1 2", "+-1", "."]
DOUBLES = FLOATS + ["1.7976931348623157e308", "1e309", "-1e309", "2.2250738585072014e-308", "5e-324",
                    "1e-400", "5.684341886080801486968994140625e-14", "9007199254740993", "9007199254740992",
                    "4503599627370497.5", "0.30000000000000004", "1e40", "123456789.123456789"]

DATES = ["2000-01-01", "1999-12-31", "2000-02-29", "1900-02-28", "2400-02-29", "0004-02-29", "0001-01-01",
         "0001-12-31 BC", "0001-02-29 BC", "0005-02-29 BC", "0044-03-15 BC", "4713-01-01 BC", "4714-11-24 BC",
         "4714-11-23 BC", "5874897-12-31", "5874898-01-01", "294276-12-31", "10000-01-01", "1970-01-01",
         "infinity", "-infinity", " Infinity ", "2024-12-31", " 2024-12-31 ", "2024-12-31 bc", "1900-02-29",
         "2001-02-29", "2001-13-01", "2001-00-01", "2001-01-32", "2001-01-00", "0000-01-01", "2001-04-31", "",
         "x"]

TIMESTAMPS = ["2000-01-01 00:00:00", "1999-12-31 23:59:59.999999", "1999-12-31 23:59:59.5",
              "1969-12-31 23:59:59.000001", "2026-11-21 06:16:35.123456", "2026-11-21 06:16:35.1",
              "2026-11-21 06:16:35.120", "2026-11-21T06:16:35", "2026-11-21 06:16", "2026-11-21",
              "2024-02-29 12:00:00", "0044-03-15 12:00:00 BC", "0001-01-01 00:00:00",
              "0001-12-31 23:59:59.999999 BC", "4713-01-01 00:00:00 BC", "4714-11-24 00:00:00 BC",
              "4714-11-23 23:59:59.999999 BC", "294276-12-31 23:59:59.999999", "294277-01-01 00:00:00",
              "infinity", "-infinity", " INFINITY ", "2026-11-21  06:16:35", "10000-01-01 00:00:01",
              "1582-10-10 00:00:00", "2026-11-21 25:00:00", "2026-11-21 06:60:00", "2026-02-30 00:00:00",
              "2026-11-21 x", "2026-11-21T", ""]
ZONED = TIMESTAMPS + ["2026-11-21 06:16:35+00", "2026-11-21 06:16:35.5-03:30", "2026-11-21 06:16:35+00:19:32",
                      "2026-11-21T06:16:35Z", "2026-11-21 06:16:35z", "2000-01-01 00:00:00+01",
                      "2026-11-21 06:16:35 +02", "0044-03-15 12:00:00+00 BC", "0001-01-01 00:30:00+01",
                      "294276-12-31 23:59:59.999999+00", "294277-01-01 00:30:00+01",
                      "4714-11-24 00:00:00+00 BC", "4714-11-24 00:30:00+01 BC",
                      "2026-11-21 06:16:35+15:59:59", "2026-11-21 06:16:35+16", "2026-11-21 06:16:35+00 BC x"]
TIMESTAMPS_3 = ["2026-11-21 06:16:35.123", "2026-11-21 06:16:35.12", "2026-11-21 06:16:35.1234", "infinity"]
TIMESTAMPS_0 = ["2026-11-21 06:16:35", "2026-11-21 06:16:35.5", "1999-12-31 23:59:59.000001"]

UUIDS = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
         "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11",
         "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
         "00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "", "{", "{}",
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-", "a0e-ebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
         "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
         " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
         "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11"]

BYTEAS = ["\\x", "\\x00ff", "\\xDEADbeef", "\\x 00 ff\n01", "abc", "", "a\\\\b", "\\000\\377\\101", "\\x0",
          "\\xzz", "\\x0 0", "\\", "\\1", "\\400", "\\189", "é"]

BOOLEANS = ["t", "f", "true", "false", "TRUE", "tr", "fals", "yes", "no", "y", "n", "on", "off", "of", "1",
            "0", " t ", "o", "2", "", "truex", "10", "ja"]

TEXTS = ["", "a", "A b ", "  ", "héllo", "日本", "tab\tnewline\nback\\slash", "x" * 63, "x" * 64]
VARCHARS = ["", "a", "abc", "abcd", "日本語", "日本語字", "ab ", "abc ", "abc   "]
JSON = ["{}", "[1, 2]", '{"a": 1}', "null", '"x"', "1.50"]
JSONB = ["{}", "[1, 2]", '{"a": 1}', "null", '"x"', "1.50"]


def random_doubles(count):
    """Powers of two and neighbours, where shortest digits are hard to find, and arbitrary bits."""
    chance = random.Random(1)
    values = [float(2 ** e) for e in range(0, 120, 7)] + [2.0 ** -e for e in range(1, 140, 3)]
    while len(values) < count:
        value = struct.unpack("d", struct.pack("Q", chance.getrandbits(64)))[0]
        if value == value and abs(value) != float("inf"):
            values.append(value)
    return [repr(value) for value in values]


# type as SQL, the function that gives its binary form, inputs
SECTIONS = [
    ("boolean", "boolsend", BOOLEANS),
    ("smallint", "int2send", INTEGERS),
    ("integer", "int4send", INTEGERS),
    ("bigint", "int8send", INTEGERS),
    ("real", "float4send", FLOATS),
    ("double precision", "float8send", DOUBLES + random_doubles(300)),
    ("numeric", "numeric_send", NUMERICS),
    ("numeric(10,2)", "numeric_send", NUMERIC_10_2),
    ("numeric(5,0)", "numeric_send", NUMERIC_5_0),
    ("numeric(3,-2)", "numeric_send", NUMERIC_3_MINUS_2),
    ("numeric(2,5)", "numeric_send", NUMERIC_2_5),
    ("date", "date_send", DATES),
    ("timestamp", "timestamp_send", TIMESTAMPS),
    ("timestamp(3)", "timestamp_send", TIMESTAMPS_3),
    ("timestamp(0)", "timestamp_send", TIMESTAMPS_0),
    ("timestamptz", "timestamptz_send", ZONED),
    ("timestamptz(3)", "timestamptz_send", TIMESTAMPS_3),
    ("uuid", "uuid_send", UUIDS),
    ("bytea", "byteasend", BYTEAS),
    ("text", "textsend", TEXTS),
    ("varchar", "varcharsend", TEXTS),
    ("varchar(3)", "varcharsend", VARCHARS),
    ("bpchar", "bpcharsend", TEXTS),
    ("char(3)", "bpcharsend", VARCHARS),
    ("name", "namesend", TEXTS),
    ("json", "json_send", JSON),
    ("jsonb", "jsonb_send", JSONB),
]

SETUP = """
SET DateStyle = ISO; SET TimeZone = 'UTC'; SET bytea_output = hex; SET extra_float_digits = 1;
SET client_encoding = 'UTF8'; SET client_min_messages = error;
CREATE TEMP TABLE answers
  (number int, verdict text, type text, modifier int, input text, output text, bytes text);

-- What the server makes of an input: a value, "rejected", or "changed" where it had to alter it to fit.
CREATE FUNCTION pg_temp.ask(number int, shape text, sends text, input text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  name text; modifier int; output text; bytes text; same bool; verdict text;
BEGIN
  EXECUTE format('CREATE TEMP TABLE v (x %s) ON COMMIT DROP', shape);
  SELECT t.typname, a.atttypmod INTO name, modifier FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
   WHERE a.attrelid = 'v'::regclass AND a.attname = 'x';
  BEGIN
    EXECUTE format('INSERT INTO v VALUES (%L)', input);
    EXECUTE format('SELECT x::text, encode(%s(x), ''hex'') FROM v', sends) INTO output, bytes;
    EXECUTE format(CASE name WHEN 'numeric' THEN 'SELECT x = %L::numeric FROM v'
                             WHEN 'name' THEN 'SELECT x::text = %L FROM v'
                             ELSE 'SELECT x::text = (%L::' || name || ')::text FROM v' END, input) INTO same;
    verdict := CASE WHEN same THEN 'value' ELSE 'changed' END;
  EXCEPTION WHEN OTHERS THEN
    verdict := 'rejected';
  END;
  INSERT INTO answers VALUES (number, verdict, name, modifier, input, output, bytes);
  DROP TABLE v;
END $$;
"""


def literal(text):
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def main():
    script = [SETUP]
    number = 0
    for shape, sends, inputs in SECTIONS:
        for text in inputs:
            number += 1
            asked = f"{number}, {literal(shape)}, '{sends}', {literal(text)}"
            script.append(f"SELECT pg_temp.ask({asked}) \\g /dev/null")
    script.append("COPY (SELECT verdict, type, modifier, input, coalesce(output, ''), coalesce(bytes, '')"
                  " FROM answers ORDER BY number) TO STDOUT;")
    psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", sys.argv[1]]
    done = subprocess.run(psql, input="\n".join(script), text=True, stdout=subprocess.PIPE, check=True)
    print("# Written by tools/make_value_vectors.py from a PostgreSQL 15 server; do not edit.")
    print("# verdict, type, modifier, input, value::text, binary in hex; between tabs, escaped as COPY does")
    sys.stdout.write(done.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
