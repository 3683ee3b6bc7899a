"""What tools/count_tests.py says about the results that ctest writes.

Usage: count_tests_test.py ROOT [unittest flags]
"""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = sys.argv.pop(1) if len(sys.argv) > 1 else "."

# As ctest 3.25 writes them.
PASSED = '<testcase name="a" status="run"/>'
FAILED = '<testcase name="b" status="fail"><failure message=""/></testcase>'
NOT_STARTED = '<testcase name="c" status="notrun"><skipped message="Unable to find executable"/></testcase>'
SKIPPED = '<testcase name="d" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>'
DISABLED = '<testcase name="e" status="disabled"/>'


def count(*cases):
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(f"<testsuite>{''.join(cases)}</testsuite>")
        file.flush()
        result = subprocess.run([sys.executable, os.path.join(ROOT, "tools/count_tests.py"), file.name],
                                capture_output=True, text=True, timeout=30, check=False)
    return result.stdout, result.returncode


class CountTests(unittest.TestCase):
    def test_all_passed(self):
        self.assertEqual(count(PASSED, PASSED), ("2 passed, 0 failed, 0 skipped\n", 0))

    def test_skipped_and_disabled_are_no_failure(self):
        self.assertEqual(count(PASSED, SKIPPED, DISABLED), ("1 passed, 0 failed, 2 skipped\n", 0))

    def test_a_test_that_did_not_start_failed(self):
        self.assertEqual(count(PASSED, FAILED, NOT_STARTED), ("1 passed, 2 failed, 0 skipped\n", 1))

    def test_no_test_at_all_is_a_failure(self):
        self.assertEqual(count(), ("0 passed, 0 failed, 0 skipped\n", 1))
        self.assertEqual(count(SKIPPED), ("0 passed, 0 failed, 1 skipped\n", 1))


if __name__ == "__main__":
    unittest.main()
