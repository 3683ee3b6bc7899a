"""How source files look: width of lines, blanks, and comments that nobody should have to read.

Usage: source_lines_test.py ROOT [unittest flags]
"""

import os
import re
import sys
import unittest

ROOT = sys.argv.pop(1) if len(sys.argv) > 1 else "."
ROOMS = ["proto", "core", "net", "tools"]
COLUMNS_MAX = 110

LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX)\b")


def lines_of_product():
    for room in ROOMS:
        for directory, _, names in os.walk(os.path.join(ROOT, room)):
            for name in sorted(names):
                if not name.endswith((".h", ".cc")):
                    continue
                path = os.path.join(directory, name)
                with open(path, encoding="utf-8") as file:
                    for number, line in enumerate(file.read().split("\n"), 1):
                        yield f"{os.path.relpath(path, ROOT)}:{number}", line


class SourceLines(unittest.TestCase):
    maxDiff = None

    def assert_no_line(self, is_wrong):
        self.assertEqual([place for place, line in lines_of_product() if is_wrong(line)], [])

    def test_lines_fit(self):
        self.assert_no_line(lambda line: len(line) > COLUMNS_MAX)

    def test_no_tabs_and_no_blanks_at_the_end(self):
        self.assert_no_line(lambda line: "\t" in line or line != line.rstrip())

    def test_nothing_is_left_for_later(self):
        self.assert_no_line(LEFTOVER.search)


if __name__ == "__main__":
    unittest.main()
