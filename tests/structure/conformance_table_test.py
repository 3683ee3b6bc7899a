"""tests/README.md maps every line of STOMP conformance to tests, and those tests exist and name their lines.

Usage: conformance_table_test.py ROOT [unittest flags]
"""

import ast
import collections
import os
import re
import sys
import unittest

ROOT = sys.argv.pop(1) if len(sys.argv) > 1 else "."
E2E = os.path.join(ROOT, "tests/e2e")
DEFAULT_FILE = "conformance_test.py"

# How many lines each section has: A1.1 to A1.16, and so on.
LINES_OF_SECTION = {1: 16, 2: 9, 3: 9, 4: 13, 5: 11, 6: 6, 7: 12, 8: 12, 9: 9, 10: 13, 11: 4}
LINES = [f"A{section}.{line}" for section, count in LINES_OF_SECTION.items() for line in range(1, count + 1)]

ROW = re.compile(r"^\| (A\d+\.\d+) \| (.*) \| (.*) \|$", re.MULTILINE)
CHOICE = re.compile(r"^- (A\d+\.\d+): \S", re.MULTILINE)
LINE_IN_NAME = re.compile(r"(?<=_)A(\d+)_(\d+)(?=_)")
LINE_IN_DOCSTRING = re.compile(r"\bA\d+\.\d+\b")


def lines_named_by(function):
    in_name = {f"A{section}.{line}" for section, line in LINE_IN_NAME.findall(function.name)}
    return in_name | set(LINE_IN_DOCSTRING.findall(ast.get_docstring(function) or ""))


def lines_by_test():
    """{(file, test): lines that its name or docstring names} for every Python test of tests/e2e."""
    tests = {}
    for name in sorted(os.listdir(E2E)):
        if not name.endswith("_test.py"):
            continue
        with open(os.path.join(E2E, name), encoding="utf-8") as file:
            for node in ast.walk(ast.parse(file.read())):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    tests[name, node.name] = lines_named_by(node)
    return tests


class ConformanceTable(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        with open(os.path.join(ROOT, "tests/README.md"), encoding="utf-8") as file:
            self.text = file.read()
        self.rows = ROW.findall(self.text)
        self.tests = lines_by_test()

    def named_in(self, cell):
        for name in re.findall(r"`([^`]+)`", cell):
            file, _, test = name.rpartition("::")
            yield file or DEFAULT_FILE, test

    def test_every_line_is_there_once(self):
        self.assertEqual([line for line, _, _ in self.rows], LINES)

    def test_every_line_says_what_it_is_about_and_has_a_test(self):
        wrong = [line for line, text, cell in self.rows if not text.strip() or not list(self.named_in(cell))]
        self.assertEqual(wrong, [])

    def test_every_test_exists_and_names_its_line(self):
        wrong = [f"{line}: {file}::{test}" for line, _, cell in self.rows for file, test in self.named_in(cell)
                 if line not in self.tests.get((file, test), ())]
        self.assertEqual(wrong, [])

    def test_every_test_that_names_a_line_is_in_its_row(self):
        in_row = collections.defaultdict(set)
        for line, _, cell in self.rows:
            in_row[line].update(self.named_in(cell))
        wrong = [f"{line}: {test}" for test, lines in self.tests.items() for line in lines if test not in in_row[line]]
        self.assertEqual(wrong, [])

    def test_every_file_in_the_table_is_run(self):
        with open(os.path.join(E2E, "CMakeLists.txt"), encoding="utf-8") as file:
            run = set(re.findall(r"^stampede_add_e2e_test\((\S+) ", file.read(), re.MULTILINE))
        self.assertEqual({file for _, _, cell in self.rows for file, _ in self.named_in(cell)} - run, set())

    def test_choices_are_about_lines_in_their_order(self):
        choices = CHOICE.findall(self.text)
        self.assertGreater(len(choices), 0)
        self.assertEqual(choices, [line for line in LINES if line in choices])


if __name__ == "__main__":
    unittest.main()
