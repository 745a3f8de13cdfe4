"""The count that people and build servers believe."""

import sys

import run_tests

GTEST = """<testsuites><testsuite name="Fence">
  <testcase name="Holds" status="run" result="completed" classname="Fence"/>
  <testcase name="Drops" status="run" result="completed" classname="Fence"><failure message="no"/></testcase>
  <testcase name="Later" status="run" result="skipped" classname="Fence"><skipped message="no"/></testcase>
  <testcase name="Never" status="notrun" result="suppressed" classname="Fence"/>
</testsuite></testsuites>"""

PYTEST = """<testsuites><testsuite name="pytest">
  <testcase classname="test_a" name="test_one"/>
  <testcase classname="test_a" name="test_two"><error message="fixture"/></testcase>
</testsuite></testsuites>"""


def read(tmp_path, text, exit_code=0):
    report = tmp_path / "report.xml"
    report.write_text(text)
    return run_tests.read_report("layer", str(report), exit_code)


def test_what_failed_was_skipped_or_never_ran_is_not_passed(tmp_path):
    outcome = read(tmp_path, GTEST, 1)
    assert outcome.passed == 1
    assert outcome.failures == ["layer: Fence.Drops", "layer: Fence.Later (skipped)", "layer: Fence.Never (skipped)"]


def test_an_error_in_a_fixture_is_a_failure(tmp_path):
    outcome = read(tmp_path, PYTEST, 1)
    assert (outcome.passed, outcome.failures) == (1, ["layer: test_a.test_two"])


def test_a_crash_before_the_report_is_a_failure(tmp_path):
    assert run_tests.read_report("layer", str(tmp_path / "none.xml"), -11).failures == [
        "layer: ended with code -11 and without a report"]


def test_a_bad_exit_code_after_good_cases_is_a_failure(tmp_path):
    passing = PYTEST.replace('<error message="fixture"/>', "")
    assert read(tmp_path, passing, 1).failures == ["layer: ended with code 1"]
    assert read(tmp_path, passing, 0).failures == []


def test_a_program_that_hangs_is_stopped_and_says_so(monkeypatch):
    monkeypatch.setattr(run_tests, "TIMEOUT_S", 1)
    code, output = run_tests.run([sys.executable, "-c", "import time; print('began', flush=True); time.sleep(60)"])
    assert code == 124 and "began" in output and "stopped after 1 s" in output


def test_layers_run_in_their_order_whatever_the_order_of_the_words():
    targets = {"src/core/oxbow_core_test", "oxbow_core_test", "src/base/oxbow_base_test", "oxbow_base_test", "oxbow_zoo_test"}
    assert run_tests.chosen_layers(["core", "base"], targets) == ["base", "core"]
    assert run_tests.chosen_layers([], targets) == ["base", "core", "zoo", "tools", "spin", "integration"]
