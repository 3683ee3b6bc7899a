"""tests/README.md maps faults to tests, and those tests exist.

Usage: fault_table_test.py ROOT [unittest flags]
"""

import os
import re
import sys
import unittest

ROOT = sys.argv.pop(1) if len(sys.argv) > 1 else "."
TESTS = os.path.join(ROOT, "tests")
DEFAULT_FILE = "net/fault_rows_test.cc"

CPP_TEST = re.compile(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", re.MULTILINE)
PYTHON_TEST = re.compile(r"^    def (test_\w+)\(self", re.MULTILINE)


def tests_of(file):
    with open(os.path.join(TESTS, file), encoding="utf-8") as source:
        text = source.read()
    if file.endswith(".py"):
        return set(PYTHON_TEST.findall(text))
    return {f"{suite}.{name}" for suite, name in CPP_TEST.findall(text)}


class FaultTable(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        with open(os.path.join(TESTS, "README.md"), encoding="utf-8") as file:
            section = re.search(r"^# Faults$(.*?)^# ", file.read(), re.MULTILINE | re.DOTALL).group(1)
        rows = [line.strip("|\n").split(" | ") for line in section.splitlines() if line.startswith("| ")]
        self.rows = rows[1:]  # behind the head

    def named(self):
        for row in self.rows:
            for name in re.findall(r"`([^`]+)`", row[-1]):
                file, _, test = name.rpartition("::")
                yield file or DEFAULT_FILE, test

    def test_every_fault_has_a_test(self):
        self.assertGreater(len(self.rows), 15)
        self.assertEqual([row for row in self.rows if len(row) != 3 or "`" not in row[-1]], [])

    def test_every_test_exists(self):
        self.assertEqual([f"{file}::{test}" for file, test in self.named() if test not in tests_of(file)], [])

    def test_every_test_of_a_fault_of_the_ring_is_in_the_table(self):
        missing = tests_of(DEFAULT_FILE) - {test for file, test in self.named() if file == DEFAULT_FILE}
        self.assertEqual(missing, set())


if __name__ == "__main__":
    unittest.main()
