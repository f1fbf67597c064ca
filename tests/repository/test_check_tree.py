#!/usr/bin/env python3
"""Each check of check_tree.py passes a good tree and names the place in a bad one."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))
import check_tree  # noqa: E402

FLOORS = """
corbel_floor(base PUBLIC fmt::fmt)
corbel_floor(space PUBLIC corbel::base)
# corbel_floor(space PUBLIC corbel::report) is a comment
corbel_floor(workload
             PUBLIC corbel::base)
corbel_floor(report PUBLIC corbel::space)
target_link_libraries(corbel_report PUBLIC corbel::workload)
"""


class Tree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("CMakeLists.txt", FLOORS)
        for floor in ("base", "space", "workload", "report"):
            self.write(f"src/corbel/{floor}/{floor}.hpp", "#pragma once\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def breaches(self, check):
        return list(check_tree.CHECKS[check](self.root))

    def assert_breach(self, check, place, word):
        breaches = self.breaches(check)
        self.assertEqual(len(breaches), 1, breaches)
        self.assertTrue(breaches[0].startswith(place + ":"), breaches[0])
        self.assertIn(word, breaches[0])


class Floors(Tree):
    def test_accepts_floors_above_also_indirectly(self):
        self.write("src/corbel/report/report.cpp", '#include "corbel/base/base.hpp"\n#include "corbel/workload/a.hpp"\n')
        self.write("src/corbel/report/plot.cpp", '#include "corbel/report/internal/axis.hpp"\n')
        self.assertEqual(self.breaches("floors"), [])

    def test_refuses_a_floor_below(self):
        self.write("src/corbel/base/file.cpp", '#include <string>\n\n#include "corbel/space/space.hpp"\n')
        self.assert_breach("floors", "src/corbel/base/file.cpp:3", "space")

    def test_refuses_a_floor_above_that_is_not_linked(self):
        self.write("src/corbel/workload/layer.hpp", '#include "corbel/space/space.hpp"\n')
        self.assert_breach("floors", "src/corbel/workload/layer.hpp:1", "does not link")

    def test_refuses_the_internal_headers_of_another_floor(self):
        self.write("src/corbel/report/report.cpp", '#include "corbel/base/internal/buffer.hpp"\n')
        self.assert_breach("floors", "src/corbel/report/report.cpp:1", "internal")

    def test_looks_into_internal_folders(self):
        self.write("src/corbel/base/internal/buffer.hpp", '#include "corbel/report/report.hpp"\n')
        self.assert_breach("floors", "src/corbel/base/internal/buffer.hpp:1", "report")

    def test_refuses_a_list_out_of_order(self):
        self.write("CMakeLists.txt", FLOORS + "target_link_libraries(corbel_base PRIVATE corbel::space)\n")
        self.assert_breach("floors", "CMakeLists.txt", "base links space")

    def test_refuses_a_folder_outside_the_list(self):
        self.write("src/corbel/attic/attic.hpp", "#pragma once\n")
        self.assert_breach("floors", "src/corbel/attic", "list of floors")

    def test_refuses_another_order_in_the_documentation(self):
        table = "| floor | is |\n|---|---|\n| `base` | |\n| `{}` | |\n| `{}` | |\n| `report` | |\n"
        self.write("docs/architecture.md", table.format("space", "workload"))
        self.assertEqual(self.breaches("floors"), [])
        self.write("docs/architecture.md", table.format("workload", "space"))
        self.assert_breach("floors", "docs/architecture.md", "table")


class HeaderLeaks(Tree):
    def test_accepts_the_standard_library_and_forward_declarations(self):
        self.write("src/corbel/base/a.hpp", '#include <source_location>\n#include <nlohmann/json_fwd.hpp>\n')
        self.write("src/corbel/base/a.cpp", "#include <zlib.h>\n")
        self.write("src/corbel/base/internal/b.hpp", "#include <zlib.h>\n")
        self.assertEqual(self.breaches("header_leaks"), [])

    def test_refuses_third_party_headers(self):
        for name in ("torch/torch.h", "yaml-cpp/yaml.h", "sqlite3.h", "zlib.h", "CLI/CLI.hpp", "fmt/format.h",
                     "nlohmann/json.hpp", "xxhash.h", "immintrin.h"):
            with self.subTest(name):
                self.write("src/corbel/base/base.hpp", f"#pragma once\n\n#  include <{name}>\n")
                self.assert_breach("header_leaks", "src/corbel/base/base.hpp:3", name)

    def test_refuses_third_party_headers_in_quotes(self):
        self.write("src/corbel/base/base.hpp", '#include "sqlite3.h"\n')
        self.assert_breach("header_leaks", "src/corbel/base/base.hpp:1", "sqlite3.h")

    def test_refuses_internal_headers(self):
        self.write("src/corbel/base/base.hpp", '#include "corbel/base/internal/buffer.hpp"\n')
        self.assert_breach("header_leaks", "src/corbel/base/base.hpp:1", "internal")


class HeadersStandAlone(Tree):
    def test_compiles_headers_that_no_source_includes_first(self):
        self.write("src/corbel/base/base.hpp", "#pragma once\n#include <string>\nstd::string name();\n")
        self.assertEqual(self.breaches("headers_stand_alone"), [])
        self.write("src/corbel/base/base.hpp", "#pragma once\nstd::string name();\n")
        self.assert_breach("headers_stand_alone", "src/corbel/base/base.hpp", "error:")

    def test_an_include_after_another_proves_nothing(self):
        self.write("src/corbel/base/base.hpp", "#pragma once\nstd::string name();\n")
        self.write("src/corbel/base/base.cpp", '#include <string>\n#include "corbel/base/base.hpp"\n')
        self.assert_breach("headers_stand_alone", "src/corbel/base/base.hpp", "error:")

    def test_leaves_those_included_first_to_the_build(self):
        self.write("src/corbel/base/base.hpp", "does not compile")
        self.write("src/corbel/base/base.cpp", '#include "corbel/base/base.hpp"\n')
        self.assertEqual(self.breaches("headers_stand_alone"), [])


class NoPrinting(Tree):
    def test_accepts_text_comments_members_and_formatting(self):
        self.write(
            "src/corbel/base/a.cpp",
            "// std::cout << x; exit(1)\n/* printf(\n exit(1) */\n"
            'auto a = "exit(1)"; auto b = R"js(print(); exit(1); std::cerr)js"; int c = 1\'000; auto d = \'"\';\n'
            "pool.exit(); pool->abort(); fmt::format(x); at_exit(); std::snprintf(b, 1, x); my::cout_like x;\n",
        )
        self.assertEqual(self.breaches("no_printing"), [])

    def test_refuses_streams_and_calls(self):
        for code in ("std::cout << 1;", "std::cerr << 1;", "std::fprintf(stderr, x);", "printf(x);", "std::puts(x);",
                     "exit(1);", "std::exit (1);", "std::abort();", "std::terminate();", "fmt::print(x);",
                     "fmt::println(x);", "_exit(1);", "std :: quick_exit(1);"):
            with self.subTest(code):
                self.write("src/corbel/base/a.cpp", '/* two\nlines */ auto a = "text"; int c = 1\'000;\n' + code + "\n")
                self.assert_breach("no_printing", "src/corbel/base/a.cpp:3", "apps/")

    def test_leaves_apps_alone(self):
        self.write("apps/cli/main.cpp", "std::cout << 1; exit(1);\n")
        self.assertEqual(self.breaches("no_printing"), [])


class Format(Tree):
    def setUp(self):
        super().setUp()
        self.write(".clang-format", "BasedOnStyle: Google\n")

    def test_refuses_what_clang_format_would_change(self):
        self.write("src/corbel/base/a.cpp", "int f() { return 1; }\n")
        try:
            self.assertEqual(self.breaches("format"), [])
        except check_tree.Skipped as skipped:
            self.skipTest(str(skipped))
        self.write("src/corbel/base/a.cpp", "int e();\nint  f() {return 1;}\n")
        self.assert_breach("format", "src/corbel/base/a.cpp:2", "clang-format -i")

    def test_skips_with_a_reason_where_there_is_no_clang_format(self):
        with mock.patch.dict(os.environ, PATH=str(self.root)):
            with self.assertRaisesRegex(check_tree.Skipped, "clang-format is not installed"):
                self.breaches("format")

    def test_skips_another_version(self):
        self.write("clang-format", "#!/bin/sh\necho clang-format version 99.0.0\n")
        (self.root / "clang-format").chmod(0o755)
        with mock.patch.dict(os.environ, PATH=str(self.root)):
            with self.assertRaisesRegex(check_tree.Skipped, "other versions"):
                self.breaches("format")


class Links(Tree):
    def setUp(self):
        super().setUp()
        self.write("docs/formats/model.md", "# Model files\n\n## What `metadata` holds, exactly\n")

    def test_accepts_what_resolves(self):
        self.write(
            "README.md",
            "# Title\n[a](docs/formats/model.md) [b](docs/formats/model.md#what-metadata-holds-exactly) [c](#title)\n"
            "[d](https://example.org/x) [e](docs) `[f](nowhere.md)`\n```\n[g](nowhere.md)\n```\n",
        )
        self.write("src/corbel/base/a.hpp", "/// docs/formats/model.md lists them.\n")
        self.assertEqual(self.breaches("links"), [])

    def test_refuses_missing_files(self):
        self.write("README.md", "text\n```\ncode\n```\n[a](docs/nowhere.md)\n")
        self.assert_breach("links", "README.md:5", "docs/nowhere.md")

    def test_refuses_missing_pictures(self):
        self.write("README.md", '![report](docs/report.png)\n')
        self.assert_breach("links", "README.md:1", "docs/report.png")
        self.write("README.md", '<img src="docs/report.png">\n')
        self.assert_breach("links", "README.md:1", "docs/report.png")

    def test_refuses_missing_headings(self):
        self.write("docs/a.md", "[a](formats/model.md#nothing)\n")
        self.assert_breach("links", "docs/a.md:1", "#nothing")

    def test_refuses_pages_that_sources_name_in_vain(self):
        self.write("src/corbel/base/a.hpp", "\n/// docs/formats/nowhere.md lists them.\n")
        self.assert_breach("links", "src/corbel/base/a.hpp:2", "docs/formats/nowhere.md")


class Tracked(Tree):
    def test_untracked_files_are_nobodys_business(self):
        git = ["git", "-C", str(self.root)]
        try:
            subprocess.run([*git, "init", "--quiet"], check=True, capture_output=True)
        except FileNotFoundError:
            self.skipTest("git is not installed")
        self.write("a.md", "[a](nowhere.md)\n")
        self.assertEqual(self.breaches("links"), [])
        subprocess.run([*git, "add", "a.md"], check=True, capture_output=True)
        self.assert_breach("links", "a.md:1", "nowhere.md")


class Program(Tree):
    def run_check(self, *arguments, **environment):
        program = Path(check_tree.__file__)
        return subprocess.run(
            [sys.executable, str(program), *arguments], capture_output=True, text=True, env={**os.environ, **environment}
        )

    def test_exit_codes(self):
        self.assertEqual(self.run_check("floors", str(self.root)).returncode, 0)
        self.write("src/corbel/base/a.cpp", "exit(1);\n")
        bad = self.run_check("no_printing", str(self.root))
        self.assertEqual((bad.returncode, bad.stdout.count("\n")), (1, 1))
        skipped = self.run_check("format", str(self.root), PATH=str(self.root))
        self.assertEqual((skipped.returncode, skipped.stdout[:8]), (77, "skipped:"))
        self.assertEqual(self.run_check("no_such_check").returncode, 2)


if __name__ == "__main__":
    unittest.main()
