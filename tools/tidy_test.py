"""Each rule of tidy.py complains about what it is for, and leaves the innocent alone."""

import pytest

import tidy


def complaints(check, path, text):
    source = tidy.Source(path, text.split("\n"))
    return [str(complaint) for complaint in check(source)]


@pytest.mark.parametrize("path, include, allowed", [
    ("src/core/a/b.cpp", '"model/tuple.hpp"', True),
    ("src/core/a/b.cpp", '"core/merge/fence.hpp"', True),
    ("src/core/a/b.cpp", '"runtime/task.hpp"', False),
    ("src/flow/apply/b.cpp", '"ports/target.hpp"', False),
    ("src/services/x/b.cpp", '"adapters/postgres/link.hpp"', False),
    ("src/adapters/http/b.cpp", '"adapters/postgres/link.hpp"', False),
    ("src/adapters/http/b.cpp", "<boost/beast/http.hpp>", True),
    ("src/services/x/b.cpp", "<boost/beast/http.hpp>", False),
    ("src/core/a/b.cpp", "<libpq-fe.h>", False),
    ("src/apps/main.cpp", '"adapters/sqlite/store.hpp"', True),
])
def test_an_include_follows_the_arrows(path, include, allowed):
    found = complaints(tidy.check_layers, path, f"#include {include}")
    assert (found == []) == allowed
    assert all("because" in complaint for complaint in found)


def test_an_arrow_in_the_build_must_be_one_of_the_table():
    good, bad = "oxbow_layer(core DEPENDS model LIBRARIES x)", "oxbow_layer(core DEPENDS model runtime LIBRARIES x)"
    assert list(tidy.check_arrows_of_build("src/core/CMakeLists.txt", good)) == []
    assert "core -> runtime" in str(list(tidy.check_arrows_of_build("src/core/CMakeLists.txt", bad))[0])


@pytest.mark.parametrize("path, line, banned", [
    ("src/core/a.cpp", "auto now = std::chrono::system_clock::now();", True),
    ("src/runtime/clock.cpp", "auto now = std::chrono::system_clock::now();", False),
    ("src/core/a.cpp", "// system_clock::now is banned", False),
    ("src/core/a.cpp", 'auto text = "std::rand";', False),
    ("src/core/a.cpp", "throw Error{};", True),
    ("src/adapters/yaml/a.cpp", "throw Error{};", False),
    ("src/core/a.cpp", "#include <regex>", True),
    ("src/core/a_test.cpp", "TEST(Suite, DISABLED_Case) {}", True),
    ("src/core/a_test.cpp", "std::this_thread::sleep_for(1s);", True),
    ("src/core/a_test.cpp", "using namespace std::chrono_literals;", False),
    ("src/core/a.cpp", "assert(x > 0);", True),
    ("src/core/a.cpp", "OXBOW_ASSERT(x > 0);", False),
    ("src/core/a.cpp", "static_assert(x > 0);", False),
])
def test_a_banned_word_is_banned_in_code_and_where_it_does_harm(path, line, banned):
    found = complaints(tidy.check_bans, path, line)
    assert (found != []) == banned
    assert all("because" in complaint for complaint in found)


@pytest.mark.parametrize("line, left", [
    ("// TODO: later", True), ("// see #123", True), ("// fixes issue 7", True), ("// as R12 demands", True),
    ("// keys such as A1 are fine", False), ("#include <x>", False), ("color: '#123456'", False), ("a #define b", False),
])
def test_leftovers_are_found(line, left):
    assert (list(tidy.check_leftovers("src/core/a.cpp", [line])) != []) == left


def test_long_lines_and_trailing_spaces_are_found():
    assert len(complaints(tidy.check_lines, "src/core/a.cpp", "x" * 111 + "\nint a; \nint b;")) == 2


def function(lines):
    return "int work(int a) {\n" + "  a += 1;\n" * (lines - 2) + "}\n"


def test_a_long_function_is_a_warning_and_a_very_long_one_an_error():
    warn, limit = tidy.FUNCTION_LINES
    for lines, expected in ((warn, []), (warn + 1, [False]), (limit + 1, [True])):
        source = tidy.Source("src/core/a.cpp", function(lines).split("\n"))
        assert [complaint.is_error for complaint in tidy.check_functions(source)] == expected


def test_a_long_class_is_not_a_long_function():
    text = "class Wide {\n" + "  int a;\n" * 300 + "};\n"
    assert complaints(tidy.check_functions, "src/core/a.hpp", text) == []


def test_a_folder_with_many_files_needs_a_readme():
    assert list(tidy.check_readmes(None, {"src/a": ["1", "2", "3"], "src/b": ["1", "2", "3", "README.md"]})) == []
    assert len(list(tidy.check_readmes(None, {"src/a": ["1", "2", "3", "4"]}))) == 1


def test_a_pure_layer_needs_no_symbol_of_the_outside():
    listing = "a.cpp.o:\n                 U clock_gettime\n                 U std::chrono::_V2::steady_clock::now()\n" \
              "                 U oxbow::to_string(oxbow::Lsn)\n                 U oxbow::runtime(int)\n"
    assert len(list(tidy.check_symbols("libcore.a", listing))) == 2
