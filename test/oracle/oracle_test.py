"""What the judge must see, and what it must not call a difference."""

import pytest

from cluster import Cluster
from oracle import Comparison, compare


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as running:
        yield running


@pytest.fixture
def sides(cluster, request):
    name = request.node.name[:50]
    return cluster.create_database(f"{name}_a"), cluster.create_database(f"{name}_b")


def judge(cluster, sides, legacy_sql, new_sql, key=1):
    for url, sql in zip(sides, (legacy_sql, new_sql)):
        cluster.execute(url.rsplit("/", 1)[1], sql)
    query = "SELECT * FROM t"
    return compare(*sides, [Comparison("t", query, query, key)])


TABLE = "CREATE TABLE t (id text, value text);"


def rows(*values):
    return TABLE + "".join(f"INSERT INTO t VALUES ({value});" for value in values)


def test_equal_rows_in_another_order_are_equal(cluster, sides):
    verdict = judge(cluster, sides, rows("'1','a'", "'2','b'"), rows("'2','b'", "'1','a'"))
    assert verdict.equal and verdict.rows == 2


def test_a_missing_row_is_seen(cluster, sides):
    verdict = judge(cluster, sides, rows("'1','a'", "'2','b'", "'3','c'"), rows("'1','a'", "'3','c'"))
    assert verdict.differing == 1
    assert "only in legacy: ('2', 'b')" in str(verdict)


def test_an_extra_row_at_the_end_is_seen(cluster, sides):
    verdict = judge(cluster, sides, rows("'1','a'"), rows("'1','a'", "'9','z'"))
    assert verdict.differing == 1
    assert "only in new: ('9', 'z')" in str(verdict)


def test_a_changed_value_names_its_column_and_both_values(cluster, sides):
    verdict = judge(cluster, sides, rows("'1','a'"), rows("'1','b'"))
    assert verdict.differing == 1
    assert "column 2: legacy 'a', new 'b'" in str(verdict)


def test_null_is_not_the_empty_string_and_not_its_own_spelling(cluster, sides):
    verdict = judge(cluster, sides, rows("'1',NULL", "'2',NULL"), rows("'1',''", r"'2','\N'"))
    assert verdict.differing == 2


def test_a_duplicate_row_counts(cluster, sides):
    verdict = judge(cluster, sides, rows("'1','a'", "'1','a'", "'1','b'"), rows("'1','b'", "'1','a'"))
    assert verdict.rows == 3 and verdict.differing == 1


def test_keys_with_tabs_newlines_and_letters_beyond_ascii_stay_in_step(cluster, sides):
    odd = ["E'a\\tb','1'", "E'a\\nb','2'", "E'a\\\\b','3'", "'Ärger','4'", "'ab','5'", "NULL,'6'", "'','7'"]
    assert judge(cluster, sides, rows(*odd), rows(*reversed(odd))).equal


def test_one_missing_row_among_many_odd_keys_does_not_upset_its_neighbours(cluster, sides):
    odd = ["E'a\\tb','1'", "E'a\\nb','2'", "E'a\\\\b','3'", "'Ärger','4'", "'ab','5'", "NULL,'6'", "'','7'"]
    for_new = odd[:2] + odd[3:]
    assert judge(cluster, sides, rows(*odd), rows(*for_new)).differing == 1


def test_a_query_that_fails_is_an_error_and_not_a_verdict(cluster, sides):
    cluster.execute(sides[0].rsplit("/", 1)[1], rows("'1','a'"))
    cluster.execute(sides[1].rsplit("/", 1)[1], rows("'1','a'"))
    with pytest.raises(RuntimeError, match="division by zero"):
        compare(*sides, [Comparison("t", "SELECT 1 / (length(id) - 1) FROM t", "SELECT 1 FROM t")])
