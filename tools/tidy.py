"""Lint as a friendly test: what the compiler and clang-format cannot see, said as "banned X, use Y because Z".

    tools/tidy.py            complains about the whole repository; exit code 1 if anything is an error

Rules are tables at the top; each check below turns files into complaints. Sizes are ratchets: beyond the first figure
a warning, beyond the second an error.
"""

import dataclasses
import pathlib
import re
import subprocess
import sys

# Which layers a layer may include, besides itself. The same arrows stand in the CMakeLists.txt of each layer.
ARROWS = {
    "base": [],
    "model": ["base"],
    "core": ["model", "base"],
    "protocol": ["model", "base"],
    "flow": ["core", "protocol", "model", "base"],
    "runtime": ["base"],
    "ports": ["runtime", "model", "base"],
    "services": ["flow", "ports", "runtime", "core", "protocol", "model", "base"],
    "adapters/yaml": ["ports", "protocol", "runtime", "core", "model", "base"],
    "adapters/sqlite": ["ports", "protocol", "runtime", "core", "model", "base"],
    "adapters/postgres": ["ports", "protocol", "runtime", "core", "model", "base"],
    "adapters/http": ["ports", "protocol", "runtime", "core", "model", "base"],
    "adapters/net": ["ports", "protocol", "runtime", "core", "model", "base"],
    "apps": ["adapters/yaml", "adapters/sqlite", "adapters/postgres", "adapters/http", "adapters/net", "services", "flow", "ports",
             "runtime", "core", "protocol", "model", "base"],
}

# Foreign headers and the layers that may see them.
FOREIGN = {
    "libpq": ["adapters/postgres"],
    "sqlite3.h": ["adapters/sqlite"],
    "yaml-cpp/": ["adapters/yaml"],
    "boost/beast": ["adapters/http"],
    "boost/json": ["services", "adapters/http", "apps"],
    "boost/math": ["core"],
    "boost/asio": ["runtime", "ports", "services", "adapters/postgres", "adapters/http", "adapters/net", "apps"],
    "re2/": ["core"],
    "zlib.h": ["protocol"],
    "nghttp2/": ["protocol"],
    "xxhash.h": ["core", "services"],
    "openssl/": ["core", "adapters/net"],
    "CLI/": ["apps"],
}

PURE = ["base", "model", "core", "protocol", "flow"]  # their answers depend on their arguments alone


@dataclasses.dataclass
class Ban:
    pattern: str
    advice: str  # "use Y because Z"
    allowed: tuple = ()  # layers, or path prefixes, where it is right
    tests_too: bool = True


BANS = [
    Ban(r"<regex>|std::regex", "use base/text or a hand-written scanner, because std::regex is slow and overflows the stack"),
    Ban(r"<iostream>|std::cout|std::cerr", "use fmt::print in apps, because iostreams run code before main",
        allowed=("src/apps",), tests_too=False),
    Ban(r"\b(system_clock|steady_clock|high_resolution_clock)::now|\bgettimeofday\b|\bclock_gettime\b",
        "take the time as an argument, because a simulation cannot turn a real clock", allowed=("src/runtime",), tests_too=False),
    Ban(r"\brandom_device\b|\bmt19937|\bstd::rand\b|\bsrand\b|<random>",
        "use base/random.hpp with a seed, because a run must be repeatable", allowed=("src/apps",)),
    Ban(r"\bgetenv\b", "take it as an argument, because only the binary may look at its environment",
        allowed=("src/apps", "test/support"), tests_too=False),
    Ban(r"<thread>|<mutex>|<condition_variable>|std::j?thread\b|std::mutex\b",
        "use runtime tasks, because locks hide who owns what", allowed=("src/runtime", "src/adapters", "src/apps", "src/services"),
        tests_too=False),
    Ban(r"\bthis_thread\b|\busleep\(", "wait for the fact itself, because luck is not a test",
        allowed=("src/runtime",)),
    Ban(r"\bthrow\b", "return a Result, because a failure that somebody expects is a value",
        allowed=("src/adapters",), tests_too=False),
    Ban(r"\bassert\(|<cassert>", "use OXBOW_ASSERT, because it stays on in release builds"),
    Ban(r"using namespace std;", "name what you use, because a header of tomorrow may clash"),
    Ban(r"\bGTEST_SKIP\b|\bDISABLED_", "mend or delete the test, because a skipped test proves nothing"),
]

LEFTOVERS = [
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "finish it or say why it is right, because nobody comes back"),
    (re.compile(r"(issue|bug|ticket|PR)\s*#?\d+|(?<![\w&\"'#])#\d{1,5}\b"), "say the reason itself, because numbers rot"),
    (re.compile(r"\b(R\d{1,3}|requirement \d+|[Aa]lgorithm A\d+)\b"), "say the reason itself, because numbers rot"),
    (re.compile(r"(?<![\w.])/(work|home|root|Users)/\w"), "use a path relative to the repository, because others live elsewhere"),
]

COLUMNS_MAX = 110
LINES = {".hpp": (300, 450), ".cpp": (600, 900), "_test.cpp": (900, 1600), ".py": (500, 700)}  # warning, error
FUNCTION_LINES = (70, 130)
FILES_WITHOUT_README_MAX = 3

FORBIDDEN_SYMBOLS = re.compile(r"\b(clock_gettime|gettimeofday|getenv|socket|connect|recv|send|random_device|rand|time|fopen|"
                               r"open64?|usleep|nanosleep|pthread_create)\b(?!::)|chrono::_V2::\w+::now")


@dataclasses.dataclass
class Complaint:
    path: str
    line: int
    text: str
    is_error: bool = True

    def __str__(self):
        return f"{self.path}:{self.line}: {'' if self.is_error else 'warning: '}{self.text}"


@dataclasses.dataclass
class Source:
    """A file with its comments and its code told apart, line by line."""

    path: str
    lines: list

    def __post_init__(self):
        text = "\n".join(self.lines)
        self.code = _blank(text, comments=True, strings=True).split("\n")
        self.includes = [(number, found[1]) for number, line in enumerate(self.lines, 1)
                         if (found := re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line))]

    @property
    def is_test(self):
        return self.path.endswith("_test.cpp") or self.path.startswith("test/")

    @property
    def layer(self):
        parts = pathlib.PurePath(self.path).parts
        if parts[0] != "src" or len(parts) < 3:
            return None
        return f"adapters/{parts[2]}" if parts[1] == "adapters" else parts[1]


def _blank(text, comments, strings):
    """The text with comments and the inside of literals turned into spaces, so that lines keep their numbers."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)

    def replace(found):
        is_comment = found[0].startswith(("//", "/*"))
        if (is_comment and comments) or (not is_comment and strings):
            return re.sub(r"[^\n]", " ", found[0])
        return found[0]

    return token.sub(replace, text)


def layer_of_include(name):
    parts = name.split("/")
    return f"adapters/{parts[1]}" if parts[0] == "adapters" and len(parts) > 2 else parts[0]


def check_layers(source):
    layer = source.layer
    if layer is None or layer not in ARROWS:
        return
    for number, name in source.includes:
        other = layer_of_include(name)
        if other in ARROWS and other != layer and other not in ARROWS[layer]:
            allowed = ", ".join(ARROWS[layer]) or "nothing"
            yield Complaint(source.path, number, f"banned include of {name}: {layer} may use {allowed}, because arrows point "
                                                 "only downwards; move what you need down, or this up")
        for prefix, layers in FOREIGN.items():
            if name.startswith(prefix) and layer not in layers:
                yield Complaint(source.path, number, f"banned include of <{name}>: it belongs to {', '.join(layers)}, because "
                                                     "one layer knows each foreign library; use that layer's own types")


def check_arrows_of_build(path, text):
    """The build must not know an arrow that the table does not."""
    layer = path.removeprefix("src/").removesuffix("/CMakeLists.txt")
    found = re.search(r"oxbow_layer\(\w+\s+DEPENDS ([^)]*?)(?:LIBRARIES|TEST_LIBRARIES|\))", text)
    for name in found[1].split() if found and layer in ARROWS else []:
        target = name if name in ARROWS else f"adapters/{name}"
        if target not in ARROWS[layer]:
            yield Complaint(path, 1, f"banned arrow {layer} -> {name}: see ARROWS in tools/tidy.py")


def check_bans(source):
    for ban in BANS:
        if (source.is_test and not ban.tests_too) or source.path.startswith(ban.allowed):
            continue
        pattern = re.compile(ban.pattern)
        for number, (line, code) in enumerate(zip(source.lines, source.code), 1):
            shown = line if line.lstrip().startswith("#") else code
            if found := pattern.search(shown):
                yield Complaint(source.path, number, f"banned {found[0].strip()}: {ban.advice}")


def check_lines(source, columns_max=COLUMNS_MAX):
    for number, line in enumerate(source.lines, 1):
        if len(line) > columns_max and "http" not in line and 'R"' not in line:
            yield Complaint(source.path, number, f"{len(line)} columns: break it at {columns_max}, because two files fit side by side then")
        if line != line.rstrip():
            yield Complaint(source.path, number, "space at the end of the line: take it away")


def check_leftovers(path, lines):
    if path in ("tools/tidy.py", "tools/tidy_test.py"):
        return
    for number, line in enumerate(lines, 1):
        for pattern, advice in LEFTOVERS:
            if found := pattern.search(line):
                yield Complaint(path, number, f"leftover {found[0]!r}: {advice}")


def check_size(path, lines):
    kind = next((suffix for suffix in ("_test.cpp", ".hpp", ".cpp", ".py") if path.endswith(suffix)), None)
    if kind is None:
        return
    warn, limit = LINES[kind]
    if len(lines) > warn:
        yield Complaint(path, 1, f"{len(lines)} lines: split it by subject (at most {limit})", is_error=len(lines) > limit)


def check_functions(source):
    """A function begins at a line that starts in column one and ends in `{`; it ends at the next `}` in column one."""
    start = None
    for number, line in enumerate(source.code, 1):
        if start is None and re.match(r"\w.*\{\s*$", line) and not re.match(r"(namespace|class|struct|enum|union|extern)\b", line) \
                and "(" in line and "=" not in line.split("(")[0]:
            start = number
        elif start is not None and line.startswith("}"):
            length = number - start + 1
            if length > FUNCTION_LINES[0] and not source.is_test:
                yield Complaint(source.path, start, f"a function of {length} lines: name its steps", is_error=length > FUNCTION_LINES[1])
            start = None


def check_headers(source):
    if source.path.endswith(".hpp"):
        if not source.lines or not source.lines[0].startswith("//"):
            yield Complaint(source.path, 1, "a header begins with what it is for, because it is read before it is used")
        if "#pragma once" not in source.lines:
            yield Complaint(source.path, 1, "a header needs #pragma once")


def check_readmes(root, folders):
    for folder, files in sorted(folders.items()):
        if len(files) > FILES_WITHOUT_README_MAX and "README.md" not in files:
            yield Complaint(folder, 1, f"{len(files)} files and no README.md: say in a few lines what lives here")


def check_symbols(archive, listing):
    for line in listing.splitlines():
        if (found := FORBIDDEN_SYMBOLS.search(line)) and " U " in f" {line.strip()} ".replace("  ", " "):
            yield Complaint(archive, 1, f"needs {found[0]}: take it as an argument, because this layer only decides")


def tracked_files(root):
    """Files of the repository as git sees them, new ones too."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    if listed.returncode == 0:
        return [name for name in listed.stdout.splitlines() if (root / name).is_file()]
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "build" not in path.parts]


def check_repository(root):
    folders = {}
    for path in tracked_files(root):
        pure = pathlib.PurePath(path)
        if pure.parts[0] in ("src", "test", "bench", "tools", "examples"):
            folders.setdefault(str(pure.parent), []).append(pure.name)
        if pure.suffix in (".hpp", ".cpp", ".py", ".md", ".txt", ".cmake", ".yaml") or path in ("dev", ".ci/run"):
            lines = (root / path).read_text(encoding="utf-8", errors="replace").split("\n")
            lines = lines[:-1] if lines[-1] == "" else lines
            yield from check_leftovers(path, lines)
            yield from check_size(path, lines)
        if pure.suffix in (".hpp", ".cpp"):
            source = Source(path, lines)
            for check in (check_layers, check_bans, check_lines, check_functions, check_headers):
                yield from check(source)
        if pure.name == "CMakeLists.txt":
            yield from check_arrows_of_build(path, (root / path).read_text(encoding="utf-8"))
    yield from check_readmes(root, folders)
    for layer in PURE:
        for archive in (root / "build" / "dev").rglob(f"liboxbow_{layer}.a"):
            listing = subprocess.run(["nm", "-uC", str(archive)], capture_output=True, text=True).stdout
            yield from check_symbols(str(archive.relative_to(root)), listing)


def main():
    complaints = list(check_repository(pathlib.Path(__file__).resolve().parent.parent))
    for complaint in sorted(complaints, key=lambda each: (each.is_error, each.path, each.line)):
        print(complaint)
    errors = sum(complaint.is_error for complaint in complaints)
    print(f"tidy: {errors} errors, {len(complaints) - errors} warnings")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
