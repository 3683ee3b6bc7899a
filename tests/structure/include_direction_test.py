"""The rooms know each other in one direction, proto <- core <- net <- tools, and each library stays behind its door.

Usage: include_direction_test.py ROOT [unittest flags]
"""

import os
import re
import sys
import unittest

ROOT = sys.argv.pop(1) if len(sys.argv) > 1 else "."
ROOMS = ["proto", "core", "net", "tools"]  # each may include itself and those before it

# Where headers of other projects may be included; a folder means every file in it.
DOORS = {
    "wslay/": [],
    "boost/": ["proto/http_upgrade.cc", "proto/http_request.cc"],
    "openssl/": ["proto/http_upgrade.cc"],
    "simdjson": ["proto/utf8.cc", "core/selector/json_body.cc"],
    "immintrin.h": ["proto/stomp_scanner_avx2.cc", "proto/ws_unmask_avx2.cc"],
    "xxhash": ["core/"],
    "tsl/": ["core/"],
    "liburing": ["net/", "tools/stampede_bench/load/load_loop.cc"],
    "CLI/": ["tools/stampede/flags.cc", "tools/stampede_bench/flags.cc"],
    "spdlog/": ["tools/stampede/log.cc"],
    "prometheus/": ["tools/stampede/admin/metrics_page.cc"],
    "fmt/": [],
    "gtest/": [],
    "gmock/": [],
    "benchmark/": [],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def product_files():
    for room in ROOMS:
        for directory, _, names in os.walk(os.path.join(ROOT, room)):
            for name in names:
                if name.endswith((".h", ".cc")):
                    yield os.path.relpath(os.path.join(directory, name), ROOT)


def includes_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return INCLUDE.findall(file.read())


class IncludeDirection(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.includes = {path: includes_of(path) for path in product_files()}

    def test_there_is_something_to_look_at(self):
        self.assertEqual({path.split("/")[0] for path in self.includes}, set(ROOMS))

    def each_include(self, mark):
        for path, includes in sorted(self.includes.items()):
            for kind, target in includes:
                if kind == mark:
                    yield path, target

    def test_rooms_include_only_what_is_below_them(self):
        wrong = []
        for path, target in self.each_include('"'):
            allowed = ROOMS[:ROOMS.index(path.split("/")[0]) + 1]
            if target.split("/")[0] not in allowed:
                wrong.append(f"{path} includes {target}")
        self.assertEqual(wrong, [])

    def test_includes_are_from_the_root(self):
        wrong = [f"{path} includes {target}" for path, target in self.each_include('"')
                 if not os.path.isfile(os.path.join(ROOT, target))]
        self.assertEqual(wrong, [])

    def test_a_source_includes_its_own_header_first(self):
        wrong = [path for path, includes in self.includes.items()
                 if path.endswith(".cc") and path[:-3] + ".h" in self.includes
                 and (not includes or includes[0][1] != path[:-3] + ".h")]
        self.assertEqual(wrong, [])

    def test_headers_are_guarded_by_pragma_once(self):
        wrong = []
        for path in self.includes:
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                if path.endswith(".h") and not file.read().startswith("#pragma once\n"):
                    wrong.append(path)
        self.assertEqual(wrong, [])

    def test_libraries_stay_behind_their_doors(self):
        wrong = []
        for path, target in self.each_include("<"):
            for library, doors in DOORS.items():
                if target.startswith(library) and not path.startswith(tuple(doors)):
                    wrong.append(f"{path} includes {target}")
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
