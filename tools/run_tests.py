"""Builds and runs the tests of ./dev test, layer by layer, and counts single test cases.

A layer is one gtest binary of build/dev (base, model, core, ...), or one of the suites of Python files below. The last
line is always `N passed, M failed`; a suite that does not build, crashes or hangs counts as one failure, and so does a
test that was skipped, because a skipped test proves nothing.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

BUILD = "build/dev"
REPORTS = f"{BUILD}/reports"
TIMEOUT_S = 7200  # of one layer; a hang is a failure

# Cheapest first, so that a mistake shows early. Layers not named here follow in alphabetical order.
ORDER = ["base", "model", "core", "protocol", "flow", "runtime", "ports", "yaml", "sqlite", "postgres", "http",
         "services", "apps"]

# Programs that are one test case each: they say themselves what failed.
PROGRAMS = {"sim": ["oxbow_sim", "--seeds", "300"]}

PYTHON_SUITES = {
    "tools": ["tools", "test/support", "test/oracle"],
    "spin": ["test/spin", "-m", "not soak"],
    "integration": ["test/integration", "test/regress", "-m", "not soak"],
    "soak": ["test/integration", "test/spin", "-m", "soak"],
}
NEEDS_BINARY = {"integration", "soak"}
ONLY_WHEN_NAMED = {"soak"}


@dataclass
class Outcome:
    passed: int = 0
    failures: list = field(default_factory=list)  # names of test cases


def main():
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    os.makedirs(REPORTS, exist_ok=True)
    shutil.rmtree(REPORTS)
    os.makedirs(REPORTS)

    targets = ninja_targets()
    layers = chosen_layers(sys.argv[1:], targets)
    total = Outcome()
    try:
        for layer in layers:
            outcome = run_layer(layer, targets)
            total.passed += outcome.passed
            total.failures += outcome.failures
    except KeyboardInterrupt:
        total.failures.append("interrupted")
    for failure in total.failures:
        print(f"FAILED {failure}")
    print(f"{total.passed} passed, {len(total.failures)} failed", flush=True)
    return 1 if total.failures else 0


def ninja_targets():
    listed = subprocess.run(["ninja", "-C", BUILD, "-t", "targets", "all"], capture_output=True, text=True, check=True)
    return set(re.findall(r"^([^\s:]+): ", listed.stdout, re.MULTILINE))


def gtest_path(layer, targets):
    pattern = re.compile(rf"(.*/)?oxbow_{layer}_test")
    return next((target for target in targets if pattern.fullmatch(target) and "/" in target), None)


def chosen_layers(arguments, targets):
    """Names in the order to run them."""
    found = {match[1] for target in targets if (match := re.fullmatch(r"(?:.*/)?oxbow_(\w+)_test", target))}
    known = [name for name in ORDER if name in found] + [name for name in PROGRAMS if PROGRAMS[name][0] in targets]
    known += sorted(found - set(ORDER)) + list(PYTHON_SUITES)
    if not arguments or arguments == ["all"]:
        return [name for name in known if name not in ONLY_WHEN_NAMED]
    for name in arguments:
        if name not in known:
            sys.exit(f"there is no layer '{name}'; choose from: {' '.join(known)} all")
    return [name for name in known if name in arguments]


def run_layer(layer, targets):
    started = time.monotonic()
    print(f"{layer:<12} ", end="", flush=True)
    runner = run_python if layer in PYTHON_SUITES else run_program if layer in PROGRAMS else run_gtest
    outcome, output = runner(layer, targets)
    verdict = f"{outcome.passed} passed"
    if outcome.failures:
        verdict += f", {len(outcome.failures)} FAILED"
    print(f"{verdict}   ({time.monotonic() - started:.1f} s)", flush=True)
    if outcome.failures:
        print(output, flush=True)
    return outcome


def run_gtest(layer, targets):
    wanted = [name for name in (f"oxbow_{layer}_test", f"oxbow_{layer}_links") if name in targets]
    if (log := build(wanted)) is not None:
        return Outcome(failures=[f"{layer}: does not build"]), log
    report = os.path.abspath(f"{REPORTS}/{layer}.xml")
    binary = os.path.join(BUILD, gtest_path(layer, targets))
    code, output = run([binary, "--gtest_brief=1", f"--gtest_output=xml:{report}"])
    return read_report(layer, report, code), output


def run_program(layer, targets):
    name, *arguments = PROGRAMS[layer]
    if (log := build([name])) is not None:
        return Outcome(failures=[f"{layer}: does not build"]), log
    path = next(target for target in targets if target.endswith(f"/{name}"))
    code, output = run([os.path.join(BUILD, path), *arguments])
    return Outcome(failures=[f"{layer}: {name} ended with code {code}"]) if code else Outcome(passed=1), output


def run_python(layer, targets):
    if layer in NEEDS_BINARY and "oxbow" not in targets:
        return Outcome(failures=[f"{layer}: there is no oxbow to test"]), ""
    if layer in NEEDS_BINARY and (log := build(["oxbow"])) is not None:
        return Outcome(failures=[f"{layer}: oxbow does not build"]), log
    report = os.path.abspath(f"{REPORTS}/{layer}.xml")
    code, output = run([sys.executable, "-B", "-m", "pytest", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider",
                        f"--junitxml={report}", *PYTHON_SUITES[layer]])
    return read_report(layer, report, code), output


def build(targets):
    """None if all is well, else what the compiler said."""
    code, output = run(["ninja", "-C", BUILD, "--quiet", *targets])
    return output if code else None


def run(command):
    """Exit code and output of a command that is stopped, with all it started, if it hangs or we are interrupted."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        return 124, stop(process) + f"\nstopped after {TIMEOUT_S} s\n"
    except KeyboardInterrupt:
        stop(process)
        raise


def stop(process):
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


def read_report(suite, path, exit_code):
    """Counts the cases of a gtest or pytest report, which share the JUnit form."""
    outcome = Outcome()
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return Outcome(failures=[f"{suite}: ended with code {exit_code} and without a report"])
    for case in cases:
        name = f"{suite}: {case.get('classname')}.{case.get('name')}"
        if any(child.tag in ("failure", "error") for child in case):
            outcome.failures.append(name)
        elif case.get("status") == "notrun" or case.get("result") == "skipped" or case.find("skipped") is not None:
            outcome.failures.append(f"{name} (skipped)")
        else:
            outcome.passed += 1
    if exit_code and not outcome.failures:
        outcome.failures.append(f"{suite}: ended with code {exit_code}")
    return outcome


if __name__ == "__main__":
    sys.exit(main())
