#!/usr/bin/env python3
"""Checks of the source tree: rules that a compiler does not enforce.

usage: check_tree.py CHECK [ROOT]

Prints one line per breach, `file:line: what to do`, and exits 1 if there are any, 77 if the check cannot run here.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CLANG_FORMAT_VERSION = "14"
PUBLIC_THIRD_PARTY = {"nlohmann/json_fwd.hpp"}


class Skipped(Exception):
    """The check cannot run on this machine; the message says why."""


def read(path):
    return path.read_text(encoding="utf-8")


def sources(root, *patterns):
    return sorted(path for pattern in patterns for path in root.glob(pattern))


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def includes(path):
    """(line, name, quoted) of every include directive."""
    text = read(path)
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', text, re.MULTILINE):
        yield line_of(text, match.start()), match[2], match[1] == '"'


CODE_IS_NOT = re.compile(
    r'R"(?P<raw>[^()\\\s]*)\(.*?\)(?P=raw)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'"
    r"|//[^\n]*"
    r"|/\*.*?\*/",
    re.DOTALL,
)


def code_of(text):
    """The text with comments and literals blanked, lines kept."""
    return CODE_IS_NOT.sub(lambda match: " " + "\n" * match[0].count("\n"), text)


def floor_list(root):
    """{floor: floors it links}, in the order of the root CMakeLists.txt: the one list of floors."""
    text = re.sub(r"#[^\n]*", "", read(root / "CMakeLists.txt"))
    links = {}
    for name, arguments in re.findall(r"\bcorbel_floor\(\s*(\w+)([^)]*)\)", text):
        links[name] = re.findall(r"\bcorbel::(\w+)", arguments)
    for name, arguments in re.findall(r"\btarget_link_libraries\(\s*corbel_(\w+)([^)]*)\)", text):
        if name in links:
            links[name] += re.findall(r"\bcorbel::(\w+)", arguments)
    return links


def check_floors(root):
    """A floor includes only itself and floors that it links, all of which stand above it in the list."""
    links = floor_list(root)
    order = list(links)
    reach = {}  # floor: those it links, also through others
    for name in order:
        reach[name] = set()
        for other in links[name]:
            if other in reach and other != name:
                reach[name] |= {other} | reach[other]
            else:
                yield f"CMakeLists.txt: {name} links {other}, which is not above it in the list of floors"

    for folder in sorted(path for path in (root / "src/corbel").iterdir() if path.is_dir()):
        if folder.name not in links:
            yield f"{folder.relative_to(root)}: not in the list of floors in CMakeLists.txt"
    for path in sources(root, "src/corbel/*/**/*.hpp", "src/corbel/*/**/*.cpp"):
        floor = path.relative_to(root / "src/corbel").parts[0]
        for line, name, _ in includes(path):
            match = re.match(r"corbel/(\w+)/(internal/)?", name)
            if not match or match[1] == floor or floor not in links:
                continue
            place = f"{path.relative_to(root)}:{line}: "
            if match[1] not in reach[floor]:
                yield place + f"{floor} may not include {match[1]}, which it does not link"
            elif match[2]:
                yield place + f"{name} is internal to {match[1]}"

    page = root / "docs/architecture.md"
    if page.exists():
        rows = re.findall(r"^\| `(\w+)` \|", read(page), re.MULTILINE)
        documented = [row for row in rows if row in links]
        if documented != order:
            yield f"docs/architecture.md: its table lists the floors {documented}, CMakeLists.txt {order}"


def check_header_leaks(root):
    """Public headers include the standard library, Corbel, and forward declarations of JSON; nothing else."""
    for path in sources(root, "src/corbel/*/*.hpp"):
        for line, name, quoted in includes(path):
            place = f"{path.relative_to(root)}:{line}: "
            if quoted:
                if not name.startswith("corbel/"):
                    yield place + f'write "corbel/<floor>/{name}", or <…> for what is not Corbel\'s'
                elif "/internal/" in name:
                    yield place + f"a public header includes the internal {name}"
            elif name not in PUBLIC_THIRD_PARTY and not re.fullmatch(r"[a-z_]+", name):
                yield place + f"<{name}> leaks to everyone who includes this header; keep it in a .cpp file"


def check_headers_stand_alone(root):
    """Every header compiles on its own. One that a source includes first is proven by the build of that source."""
    headers = sources(root, "src/corbel/*/*.hpp", "src/corbel/*/internal/*.hpp")
    proven = set()
    for source in sources(root, "src/corbel/*/*.cpp"):
        first = next(includes(source), None)
        if first:
            proven.add(first[1])
    remaining = [path for path in headers if str(path.relative_to(root / "src")) not in proven]

    compiler = os.environ.get("CXX") or shutil.which("c++")
    if not compiler:
        raise Skipped("no C++ compiler named c++, and $CXX is not set")

    def compile_alone(path):
        # A source of its own: compiling the header itself would warn about #pragma once.
        with tempfile.NamedTemporaryFile("w", suffix=".cpp") as source:
            source.write(f'#include "{path.relative_to(root / "src")}"\n')
            source.flush()
            command = [compiler, "-std=c++20", "-fsyntax-only", "-I", str(root / "src"), source.name]
            return path, subprocess.run(command, capture_output=True, text=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, result in pool.map(compile_alone, remaining):
            if result.returncode:
                error = next((line for line in result.stderr.splitlines() if "error:" in line), result.stderr.strip())
                yield f"{path.relative_to(root)}: does not compile on its own: {error}"


def check_no_printing(root):
    """Below apps/ nothing prints and nothing ends the program."""
    forbidden = re.compile(
        r"(?<![\w.>])(?:std\s*::\s*)?"
        r"(?:(?P<stream>cout|cerr|clog|stdout|stderr)\b"
        r"|(?P<call>printf|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort|terminate)\s*\()"
        r"|\bfmt\s*::\s*(?P<fmt>print(?:ln)?)\s*\("
    )
    for path in sources(root, "src/corbel/**/*.hpp", "src/corbel/**/*.cpp"):
        code = code_of(read(path))
        for match in forbidden.finditer(code):
            name = match["stream"] or match["call"] or match["fmt"]
            place = f"{path.relative_to(root)}:{line_of(code, match.start())}: "
            yield place + f"{name} belongs to apps/; throw corbel::Error or report through a Monitor"


def tracked(root, *patterns):
    """Files git tracks, or all files where there is no repository (an unpacked archive)."""
    if (root / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--", *patterns], capture_output=True, text=True
        )
        if listed.returncode == 0:
            return sorted(path for path in map(root.__truediv__, listed.stdout.split("\0")) if path.is_file())
    return [
        path
        for path in sources(root, *(f"**/{pattern}" for pattern in patterns))
        if "build" not in path.relative_to(root).parts
    ]


def check_format(root):
    """Sources are as clang-format leaves them."""
    program = shutil.which(f"clang-format-{CLANG_FORMAT_VERSION}") or shutil.which("clang-format")
    if not program:
        raise Skipped("clang-format is not installed")
    version = re.search(r"version (\d+)", subprocess.run([program, "--version"], capture_output=True, text=True).stdout)
    if not version or version[1] != CLANG_FORMAT_VERSION:
        raise Skipped(f"clang-format {CLANG_FORMAT_VERSION} is not installed; other versions format differently")
    files = [str(path) for path in tracked(root, "*.cpp", "*.hpp")]
    if not files:
        return
    result = subprocess.run([program, "--dry-run", "--Werror", *files], capture_output=True, text=True)
    seen = set()
    for file, line in re.findall(r"^(.+?):(\d+):\d+: error", result.stderr, re.MULTILINE):
        if file not in seen:
            seen.add(file)
            yield f"{Path(file).relative_to(root)}:{line}: run clang-format -i on it"
    if result.returncode and not seen:
        yield f".clang-format:1: clang-format fails: {result.stderr.strip()}"


def anchors(text):
    """What GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+[ \t]+(.+?)[ \t]*#*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        yield re.sub(r"\s", "-", re.sub(r"[^\w\- ]", "", plain))


def check_links(root):
    """Links between the pages resolve, and so do the pages that sources name."""
    for path in tracked(root, "*.md"):
        text = read(path)
        prose = re.sub(r"^```.*?^```|`[^`\n]*`", lambda match: "\n" * match[0].count("\n"), text, flags=re.M | re.S)
        for match in re.finditer(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|\b(?:src|href)=\"([^\"]+)\"", prose):
            target = match[1] or match[2]
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            linked = path.parent / file if file else path
            place = f"{path.relative_to(root)}:{line_of(prose, match.start())}: "
            if not linked.exists():
                yield place + f"{target} does not exist"
            elif anchor and linked.suffix == ".md" and anchor not in anchors(read(linked)):
                yield place + f"{file or path.name} has no heading #{anchor}"
    for path in tracked(root, "*.cpp", "*.hpp", "*.cmake", "CMakeLists.txt", "*.yaml"):
        text = read(path)
        for match in re.finditer(r"\bdocs/[\w./-]+\.md\b", text):
            if not (root / match[0]).exists():
                yield f"{path.relative_to(root)}:{line_of(text, match.start())}: {match[0]} does not exist"


CHECKS = {
    "floors": check_floors,
    "header_leaks": check_header_leaks,
    "headers_stand_alone": check_headers_stand_alone,
    "no_printing": check_no_printing,
    "format": check_format,
    "links": check_links,
}


def main(arguments):
    if not 1 <= len(arguments) <= 2 or arguments[0] not in CHECKS:
        print(f"usage: check_tree.py {{{','.join(CHECKS)}}} [ROOT]", file=sys.stderr)
        return 2
    root = Path(arguments[1]) if len(arguments) == 2 else Path(__file__).resolve().parents[2]
    try:
        breaches = list(CHECKS[arguments[0]](root.resolve()))
    except Skipped as skipped:
        print(f"skipped: {skipped}")
        return 77
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
