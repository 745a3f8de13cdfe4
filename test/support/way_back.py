"""What oxbow says of the way back of a cohort: its envelope, what a rollback would lose, whether it is ready."""

import json
import os

from cluster import execute
from handover import state_of
from http_by_socket import get, get_json


def socket_of(migration):
    return os.path.join(migration.directory, "oxbow.sock")


def ready(migration):
    """Status code and reasons of GET /v1/ready."""
    status, body = get(socket_of(migration), "/v1/ready")
    return status, json.loads(body)["reasons"]


def way_back(migration, cohort="pilot"):
    return state_of(migration, cohort)["way_back"]


def wait_for_rows(migration, count, cohort="pilot"):
    migration.wait_until(lambda: way_back(migration, cohort)["rows_count"] == count, 20, f"{count} rows would be lost")
    return way_back(migration, cohort)


def events(migration, kind):
    return [event for event in get_json(socket_of(migration), "/v1/events?limit=1000")["events"] if event["kind"] == kind]


def preview(migration, entity="customer", cohort="pilot"):
    return migration.ask("rollback", entity, "--cohort", cohort, "--to", "mirrored", "--preview")


def what_is_shown(migration, entity="customer", cohort="pilot"):
    """The options that give up the rows that a preview shows."""
    shown = preview(migration, entity, cohort)
    return ("--accept-loss", str(shown["rows_lost"])) + (("--seen", shown["seen"]) if shown["seen"] else ())


def roll_back(migration, *more, entity="customer", cohort="pilot"):
    return migration.oxbow("rollback", entity, "--cohort", cohort, "--to", "mirrored", *more, check=False)


def rows_by_key(url, table, columns, where="true"):
    """The columns as text, by the first one, read by hand."""
    select = ", ".join(f"{column}::text" for column in columns)
    return {row[0]: dict(zip(columns, row)) for row in execute(url, f"SELECT {select} FROM {table} WHERE {where}")}


def lost_between(before, after):
    """By key and column: what was there and what is there now, None for a row that is gone."""
    lost = {}
    for key, row in before.items():
        now = after.get(key)
        fields = {column: (value, now and now[column]) for column, value in row.items() if now is None or now[column] != value}
        if fields:
            lost[key] = fields
    for key in after.keys() - before.keys():
        lost[key] = {column: (None, value) for column, value in after[key].items()}
    return lost


def lost_by(shown, table):
    """The same, as a preview says it."""
    return {row["key"].removeprefix("id="): {field["column"]: (field["new"], field["legacy"]) for field in row["fields"]}
            for row in shown["rows"] if row["table"] == table}
