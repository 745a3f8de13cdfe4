"""The protocol of a handover holds in every state of its model, and what protects it is missed where it is taken away.

`docs/handover.md` tells what the model is, and what it leaves out.
"""

import pathlib
import re

import pytest

import pan

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = (ROOT / "test/spin/handover.pml").read_text()
WITNESSES = sorted(set(re.findall(r"witness\((\w+)\)", MODEL)) - {"what"})


def world(tries, direct, clients, troubles):
    return [f"-DTRIES={tries}", f"-DDIRECT={direct}", f"-DCLIENTS={clients}", f"-DTROUBLES={troubles}"]


LONGEST = world(tries=3, direct=1, clients=1, troubles=1)
WORLDS = {
    "one writer around the gateway and one through it, there and back, two troubles": world(2, 1, 1, 2),
    "two writers around the gateway, there and back, two troubles": world(2, 2, 0, 2),
    "two writers around it and one through it, there, one trouble": world(1, 2, 1, 1),
    "two writers around it and one through it, there and back": world(2, 2, 1, 0),
}
SOAK_WORLDS = {
    "one writer around the gateway and one through it, there, back and there, two troubles": world(3, 1, 1, 2),
    "two writers around it and one through it, there and back, one trouble": world(2, 2, 1, 1),
}
SMALL = world(1, 1, 0, 0)
EVERYTHING = ["-c0"]  # that is wrong, not only the first
ANY = world(2, 1, 1, 1)

# Assertions of the model, as spin prints them.
WRONG = {
    "!(((mode[0]<=1)&&(mode[1]<=1)))": "both sides admit writes",
    "(side==home)": "a write is on the wrong side",
    "(rows[0]==rows[1])": "the authority moves while something is on its way",
    "((quarantined[0]||quarantined[1])||(rows[0]==rows[1]))": "a write is lost, or there twice",
    "!((given_numbers&(1<<next_number[side])))": "a number is given out twice",
    "((mode[side]<=1)||(mode[side]==4))": "the gateway sends a write where it is refused",
    "(from==home)": "a rogue write is merged",
    "((mode[home]==0)||(mode[home]==4))": "the home is not open",
    "((mode[(1-home)]==3)||(mode[(1-home)]==4))": "the other side is not closed",
    "((journal_epoch-flipped)>=epoch[( (flipped) ? ((1-home)) : (home) )])": "an epoch falls",
    "!(holds)": "writes are still held",
    "invalid end state": "it is stuck",
}

# What is taken away, in which world, and what goes wrong then, among other things.
PROTECTIONS = {
    "ANNOUNCEMENT": (world(1, 2, 0, 0), "the authority moves while something is on its way"),
    "AWAITING": (world(1, 2, 0, 0), "the authority moves while something is on its way"),
    "HOLD": (world(1, 0, 1, 0), "the gateway sends a write where it is refused"),
    "NEAR_BEFORE_FENCE": (world(1, 1, 0, 1), "the authority moves while something is on its way"),
    "DRAIN": (world(1, 2, 0, 0), "the authority moves while something is on its way"),
    "DRAIN_BEFORE_MARK": (SMALL, "the authority moves while something is on its way"),
    "OWN_MARKER": (world(2, 2, 0, 1), "the authority moves while something is on its way"),
    "CATCH_UP": (SMALL, "the authority moves while something is on its way"),
    "RECHECK": (world(1, 1, 0, 1), "the authority moves while something is on its way"),
    "SEQUENCES": (world(1, 2, 0, 0), "a number is given out twice"),
    "CONFIRMATION": (world(1, 1, 0, 1), "the authority moves while something is on its way"),
    "FLIP_BEFORE_OPEN": (SMALL, "a write is on the wrong side"),
    "CERTAINTY": (world(1, 1, 0, 1), "the home is not open"),
    "LEAVING": (world(1, 1, 0, 1), "a rogue write is merged"),
    "STREAM_BACK": (SMALL, "a write is lost, or there twice"),
    "JOINING": (SMALL, "a write is lost, or there twice"),
    "JOIN_BEFORE_OPEN": (SMALL, "a write is lost, or there twice"),
    "CLOSING": (SMALL, "the other side is not closed"),
    "OPEN_BEFORE_RELEASE": (world(1, 0, 1, 0), "the gateway sends a write where it is refused"),
    "RELEASING": (SMALL, "writes are still held"),
    "REOPENING": (world(1, 1, 0, 1), "the home is not open"),
    "DEADLINE": (world(1, 1, 0, 1), "it is stuck"),
    "GOING_FORWARD": (world(1, 1, 0, 1), "an epoch falls"),
    "JOURNAL": (world(1, 1, 0, 1), "both sides admit writes"),
    "ORDERS": (world(2, 1, 0, 1), "both sides admit writes"),
    "ECHO_SUPPRESSION": (world(2, 2, 0, 0), "the authority moves while something is on its way"),
    "SECOND_LOOK": (SMALL, "the authority moves while something is on its way"),
    "TABLE_LOCK_FIRST": (SMALL, "the authority moves while something is on its way"),
    "LOG_BEFORE_UNLOCK": (SMALL, "the authority moves while something is on its way"),
}

# What docs/handover.md says is not covered, and that it really goes wrong.
GAPS = {
    "FORGETTING": (world(1, 1, 0, 1), {"the authority moves while something is on its way", "a write is on the wrong side"}),
    "BYPASS": (SMALL, {"the authority moves while something is on its way"}),
}


def meanings(verdict):
    return {WRONG[wrong.removeprefix("assertion violated ")] for wrong in verdict.wrong}


def explain(verdict, directory, switches):
    return f"{verdict.output}\n{pan.trail(directory, switches)}" if verdict.wrong else ""


@pytest.fixture(scope="module")
def longest(tmp_path_factory):
    directory = tmp_path_factory.mktemp("longest")
    verdict = pan.check(MODEL, LONGEST, directory, pan.FAST)
    return verdict, explain(verdict, directory, LONGEST)


def test_three_handovers_lose_and_misplace_no_write_with_a_trouble_at_any_point(longest):
    verdict, story = longest
    assert verdict.wrong == [], story
    assert verdict.states > 1_000_000


@pytest.mark.parametrize("name", WORLDS)
def test_no_write_is_lost_or_misplaced(name, tmp_path):
    verdict = pan.check(MODEL, WORLDS[name], tmp_path, pan.FAST)
    assert verdict.wrong == [], explain(verdict, tmp_path, WORLDS[name])
    assert verdict.states > 1_000_000


@pytest.mark.soak
@pytest.mark.parametrize("name", SOAK_WORLDS)
def test_soak_no_write_is_lost_or_misplaced(name, tmp_path):
    verdict = pan.check(MODEL, SOAK_WORLDS[name], tmp_path, pan.FAST)
    assert verdict.wrong == [], explain(verdict, tmp_path, SOAK_WORLDS[name])
    assert verdict.states > 5_000_000


# No state is without a next one before the end (else spin says so in the tests above), and none comes back: so each
# run ends, whoever is slow.
def test_nothing_goes_round_in_circles(tmp_path):
    verdict = pan.check(MODEL, ANY, tmp_path, pan.CYCLES, ["-l"])
    assert verdict.wrong == [], explain(verdict, tmp_path, ANY)


def test_every_statement_of_the_model_is_reached(longest):
    assert longest[0].unreached == []


@pytest.mark.parametrize("witness", WITNESSES)
def test_it_can_happen(witness, tmp_path):
    assert pan.check(failing_at(witness), ANY, tmp_path).wrong == ["assertion violated 0"]


@pytest.mark.parametrize("witness", ["a_crash_behind_the_flip", "a_forgotten_fence_is_noticed", "the_gateway_holds_a_write"])
def test_what_cannot_happen_has_no_witness(witness, tmp_path):
    assert pan.check(failing_at(witness), SMALL, tmp_path).wrong == []


def failing_at(witness):
    model = re.sub(rf"witness\({witness}\)", "assert(false)", MODEL)
    assert model != MODEL
    return model


@pytest.fixture(scope="module")
def sound_worlds(tmp_path_factory):
    """Each world of PROTECTIONS once, with nothing taken away."""
    worlds = {tuple(switches) for switches, _ in PROTECTIONS.values()}
    return {each for each in worlds if pan.check(MODEL, each, tmp_path_factory.mktemp("sound")).wrong == []}


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_is_missed_where_it_is_taken_away(protection, sound_worlds, tmp_path):
    switches, wrong = PROTECTIONS[protection]
    assert tuple(switches) in sound_worlds
    assert wrong in meanings(pan.check(MODEL, [*switches, f"-DWITHOUT_{protection}"], tmp_path, options=EVERYTHING))


# The confirmation misses the fence at once: only where that is gone, too, something goes wrong.
def test_without_a_fence_nothing_moves(tmp_path):
    switches = [*world(1, 2, 0, 0), "-DWITHOUT_FENCE"]
    assert pan.check(failing_at("flip"), switches, tmp_path).wrong == []
    assert meanings(pan.check(MODEL, [*switches, "-DWITHOUT_CONFIRMATION"], tmp_path)) == {
        "the authority moves while something is on its way"}


@pytest.mark.parametrize("gap", GAPS)
def test_what_is_not_covered_goes_wrong(gap, tmp_path):
    switches, wrong = GAPS[gap]
    assert meanings(pan.check(MODEL, [*switches, f"-DGAP_{gap}"], tmp_path, options=EVERYTHING)) >= wrong


def test_each_switch_of_the_model_is_tested_and_told():
    assert set(re.findall(r"\bWITHOUT_(\w+)", MODEL)) == {*PROTECTIONS, "FENCE"}
    assert set(re.findall(r"\bGAP_(\w+)", MODEL)) == set(GAPS)
    told = set(re.findall(r"`(\w+)`", (ROOT / "docs/handover.md").read_text()))
    assert {*PROTECTIONS, "FENCE", *(f"GAP_{gap}" for gap in GAPS)} <= told


def test_the_actions_are_those_of_the_program_in_its_order():
    header = (ROOT / "src/flow/handover/handover.hpp").read_text()
    names = re.search(r"enum class HandoverAction \{(.*?)\};", header, re.DOTALL)[1]
    theirs = re.findall(r"^\s*(\w+),", names, re.MULTILINE)
    first, last = MODEL.index("#define INSTALL_GUARDS"), MODEL.index("#define OVER")
    ours = re.findall(r"#define (\w+) (\d+)$", MODEL[first:last], re.MULTILINE)
    assert ours == [(name.upper(), str(number)) for number, name in enumerate(theirs)]
    assert set(theirs) <= set(WITNESSES)
