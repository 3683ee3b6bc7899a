"""The arithmetic of bench/compare: medians, ratios of a round, disturbed runs, and reading what a run wrote.

Usage: compare_table_test.py ROOT [unittest flags]
"""

import os
import sys
import tempfile
import unittest

ROOT = sys.argv.pop(1) if len(sys.argv) > 1 else "."
sys.path.insert(0, os.path.join(ROOT, "bench", "compare"))

import scenarios  # noqa: E402
import table  # noqa: E402


def record(server, round_number, rate, cost, other_cpu=0.0, steal=0.0, failure=None, lost=0):
    latency = {"p50": 10 * cost, "p99": 20 * cost, "p99_9": 30 * cost}
    result = {"deliveries_per_second": rate, "delivered": rate, "latency_us": latency, "completion_us": latency,
              "server": {"cpu_ns_per_delivery": cost, "cpu_share": 0.5, "rss_bytes": 2**20},
              "load": {"cpu_share": 0.25, "was_limit": False}, "figures": {},
              "errors": {"lost": lost, "duplicated": 0}, "first_error": ""}
    return {"scenario": "S1", "server": server, "round": round_number, "attempt": 0,
            "load_flags": ["fanout"], "other_cpu": other_cpu,
            "steal": steal, "failure": failure, "result": None if failure else result}


class Rows(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians(self):
        # The machine halves its speed in the second round and is ten times slower in the third.
        base = table.Row("floor", [record("floor", n, 1, cost) for n, cost in enumerate([100, 200, 1000])])
        own = table.Row("broker", [record("broker", n, 1, cost) for n, cost in enumerate([150, 300, 1100])])
        self.assertEqual(own.ratio(base, "server", "cpu_ns_per_delivery"), 1.5)

    def test_only_rounds_of_both_count(self):
        base = table.Row("floor", [record("floor", 0, 1, 100), record("floor", 1, 1, 100, failure="gone")])
        own = table.Row("broker", [record("broker", 0, 1, 130), record("broker", 1, 1, 900)])
        self.assertEqual(own.ratio(base, "server", "cpu_ns_per_delivery"), 1.3)

    def test_no_common_round_gives_no_ratio(self):
        base = table.Row("floor", [record("floor", 1, 1, 100)])
        self.assertIsNone(table.Row("broker", [record("broker", 0, 1, 130)]).ratio(base, "latency_us", "p50"))

    def test_disturbed_runs_are_left_out_where_two_quiet_ones_exist(self):
        row = table.Row("broker", [record("broker", 0, 10, 1), record("broker", 1, 20, 1),
                                   record("broker", 2, 99, 1, steal=0.5)])
        self.assertFalse(row.is_doubtful)
        self.assertEqual(row.median("deliveries_per_second"), 15)

    def test_fewer_than_two_quiet_runs_make_a_row_doubtful(self):
        row = table.Row("broker", [record("broker", 0, 10, 1), record("broker", 1, 20, 1, other_cpu=0.13),
                                   record("broker", 2, 99, 1, steal=0.11)])
        self.assertTrue(row.is_doubtful)
        self.assertEqual(row.median("deliveries_per_second"), 20)

    def test_the_limits_themselves_are_quiet(self):
        self.assertTrue(table.is_quiet(record("broker", 0, 1, 1, other_cpu=0.12, steal=0.10)))

    def test_a_repetition_stands_for_the_run_that_it_repeats(self):
        disturbed = record("broker", 0, 10, 1, steal=0.5)
        better, worse = record("broker", 0, 20, 1), record("broker", 0, 30, 1, steal=0.9)
        self.assertEqual(table.last_attempts([disturbed, better]), [better])
        self.assertEqual(table.last_attempts([better, worse]), [better])

    def test_errors_of_all_runs_are_added(self):
        row = table.Row("broker", [record("broker", 0, 1, 1, lost=2), record("broker", 1, 1, 1, lost=3)])
        self.assertEqual(row.errors(), "5 lost")


class Tables(unittest.TestCase):
    def test_a_table_has_a_row_for_each_server_and_says_why_one_failed(self):
        text = table.markdown("S1", "what it is", [
            record("floor", 0, 2_000_000, 100), record("floor", 1, 2_000_000, 100),
            record("broker", 0, 1_000_000, 150), record("broker", 1, 1_000_000, 150),
            record("other", 0, 0, 0, failure="does not answer")], "floor")
        lines = text.splitlines()
        self.assertEqual(lines[0], "### S1: what it is")
        self.assertEqual(lines[2], "`stampede-bench fanout`")
        self.assertEqual({line.count("|") for line in lines[4:9]}, {lines[4].count("|")})
        self.assertTrue(lines[7].startswith("| broker | 2/2 | 1,000,000 (1,000,000-1,000,000) | 150 |"), lines[7])
        self.assertTrue(lines[7].endswith("| 1.50 | 0.50 | 1.50 | 1.50 | 1.50 |"), lines[7])
        self.assertTrue(lines[8].startswith("| other* | 0/1 | - | - |"), lines[8])
        self.assertIn("- other: does not answer", text)

    def test_records_come_back_as_they_were_written(self):
        records = [record("floor", 0, 1, 2), record("broker", 0, 1, 3, failure="µ\nline")]
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "results.jsonl")
            for each in records:
                table.append_record(path, each)
            self.assertEqual(table.read_records(path), records)
            with open(path, "a") as file:
                file.write('{"scenario": "S1"')
            with self.assertRaisesRegex(SystemExit, "results.jsonl:3"):
                table.read_records(path)


class Scenarios(unittest.TestCase):
    def test_connections_fit_into_the_limit_of_open_files(self):
        flags = scenarios.ALL["S20k"].flags(quick=False, file_limit=20000)
        self.assertEqual(flags[flags.index("--subscribers") + 1], str(20000 - scenarios.SPARE_FILES - 1))
        flags = scenarios.ALL["S20k"].flags(quick=False, file_limit=1 << 20)
        self.assertEqual(flags[flags.index("--subscribers") + 1], "20000")


class Summary(unittest.TestCase):
    def test_each_scenario_has_one_line_with_the_ratios_of_its_rounds(self):
        records = [record(server, n, 1000 / cost, cost)
                   for n in range(2) for server, cost in [("stampede", 120), ("floor-epoll", 100), ("nats-ws", 600)]]
        lines = table.summary(records, "stampede", "floor-epoll").splitlines()
        self.assertEqual(lines[0], "| scenario | stampede: CPU ns/delivery | deliveries/s | CPU x floor-epoll | p50 x floor-epoll | "
                                   "p99 x floor-epoll | floor-epoll: CPU x stampede | nats-ws: CPU x stampede |")
        self.assertEqual(lines[2:], ["| S1 | 120 | 8 | 1.20 | 1.20 | 1.20 | 0.83 | 5.00 |"])

    def test_what_the_subject_did_not_measure_has_no_line(self):
        records = [record("stampede", 0, 0, 100, failure="gone"), record("floor-epoll", 0, 1, 100)]
        self.assertEqual(len(table.summary(records, "stampede", "floor-epoll").splitlines()), 2)


if __name__ == "__main__":
    unittest.main()
