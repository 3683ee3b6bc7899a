"""stampede-bench: what it reports of a broker that does all right, and that it sees everything that a broker does wrong."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

from broker import Broker, seconds, wait_until
from fake_broker import FAULTS_EACH, FakeBroker

BINARY = os.environ.get("STAMPEDE_BENCH_BINARY")
NO_ERRORS = {name: 0 for name in ("lost", "duplicated", "reordered", "corrupted", "disconnected", "refused")}
QUICK = ("--warm-up", "100ms", "--duration", "300ms")


def start(*words):
    if not BINARY:
        raise RuntimeError("STAMPEDE_BENCH_BINARY is not set: the path of stampede-bench")
    # It dies with this program, even if that is killed.
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", BINARY, *map(str, words)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Outcome:
    """How a run ended."""

    def __init__(self, process):
        try:
            self.stdout, self.stderr = process.communicate(timeout=seconds(30))
        finally:
            process.kill()
            process.wait()
        self.code = process.returncode

    def __str__(self):
        return f"exit code {self.code}\n{self.stdout}{self.stderr}"


class BenchTest(unittest.TestCase):
    def run_bench(self, *words, code=0):
        outcome = Outcome(start(*words))
        self.assertEqual(outcome.code, code, outcome)
        return outcome

    def report(self, *words, code=0):
        """The report of a run that must end with this exit code."""
        outcome = self.run_bench(*words, "--json", "-", code=code)
        return json.loads(outcome.stdout)


class AgainstStampede(BenchTest):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.urls = (f"ws://127.0.0.1:{cls.broker.ws}/ws", f"stomp://127.0.0.1:{cls.broker.tcp}")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def clean(self, *words):
        """The reports of a run over each transport, in which nothing is wrong."""
        reports = [self.report(*words, "--url", url) for url in self.urls]
        for url, report in zip(self.urls, reports):
            self.assertEqual(report["errors"], NO_ERRORS)
            self.assertEqual(report["first_error"], "")
            self.assertEqual(report["url"], url)
        return reports

    def assert_delivered_to_all(self, report, subscribers, in_flight):
        """Each of so many has what was published, but for what was on its way when the window began or ended."""
        self.assertGreater(report["published"], 0)
        self.assertLessEqual(abs(report["delivered"] - report["published"] * subscribers), in_flight * subscribers,
                             report)
        self.assertEqual(report["latency_us"]["count"], report["delivered"])
        self.assertGreater(report["latency_us"]["p50"], 0)
        self.assertLessEqual(report["latency_us"]["p50"], report["latency_us"]["p99"])
        self.assertLessEqual(report["latency_us"]["p99"], report["latency_us"]["max"] * 1.01)
        self.assertEqual(sum(sample["delivered"] for sample in report["series"]), report["delivered"])

    def test_fanout_closed_loop(self):
        for report in self.clean("fanout", *QUICK, "--subscribers", 20, "--window", 8):
            self.assertEqual(report["scenario"], "fanout")
            self.assertAlmostEqual(report["seconds"], 0.3, places=3)
            self.assert_delivered_to_all(report, 20, 8)
            self.assertGreater(report["completion_us"]["count"], 0)

    def test_fanout_open_loop_keeps_its_schedule(self):
        for report in self.clean("fanout", *QUICK, "--subscribers", 5, "--publishers", 3, "--rate", 1000):
            self.assertGreaterEqual(report["published"], 200)
            self.assertLessEqual(report["published"], 400)
            self.assert_delivered_to_all(report, 5, 100)

    def test_fanout_of_several_publishers_to_several_destinations(self):
        for report in self.clean("fanout", *QUICK, "--subscribers", 12, "--publishers", 5, "--destinations", 4,
                                 "--subscription-id", "uuid", "--window", 10):
            self.assert_delivered_to_all(report, 3, 10 * 4)

    def test_fanout_with_two_threads(self):
        for report in self.clean("fanout", *QUICK, "--subscribers", 9, "--publishers", 3, "--destinations", 3,
                                 "--threads", 2, "--window", 6, "--burst", 2):
            self.assert_delivered_to_all(report, 3, 6 * 3)
        for report in self.clean("fanout", *QUICK, "--subscribers", 9, "--publishers", 1, "--threads", 2,
                                 "--rate", 500):
            self.assert_delivered_to_all(report, 9, 50)

    def test_the_smallest_body_and_a_large_one(self):
        for size in ("13", "64K"):
            for report in self.clean("fanout", *QUICK, "--subscribers", 3, "--window", 4, "--body-size", size):
                self.assert_delivered_to_all(report, 3, 4)

    def test_echo(self):
        for report in self.clean("echo", *QUICK, "--connections", 20, "--threads", 2, "--window", 20):
            self.assert_delivered_to_all(report, 1, 20)
        for report in self.clean("echo", *QUICK, "--connections", 20, "--rate", 500):
            self.assert_delivered_to_all(report, 1, 50)

    def test_idle(self):
        for report in self.clean("idle", *QUICK, "--connections", 100, "--destinations", 10,
                                 "--server-pid", self.broker.pid):
            self.assertEqual((report["published"], report["delivered"]), (0, 0))
            self.assertGreater(report["figures"]["connect_p50_us"], 0)
            self.assertLess(report["figures"]["rss_per_connection_bytes"], 1 << 20)
            self.assertGreater(report["figures"]["connect_cpu_us"], 0)

    def test_churn(self):
        for report in self.clean("churn", "--warm-up", "0", "--duration", "700ms", "--subscribers", 5, "--rate", 500,
                                 "--churn-rate", 100, "--churn-stay", "100ms", "--destinations", 2,
                                 "--threads", 2, "--server-pid", self.broker.pid):
            self.assertGreaterEqual(report["figures"]["churned"], 30)
            self.assertLessEqual(report["figures"]["churned"], 75)
            self.assertIn("rss_growth_bytes", report["figures"])
            self.assertGreater(report["delivered"], 0)

    def test_server_figures(self):
        for report in self.clean("fanout", *QUICK, "--server-pid", self.broker.pid):
            server = report["server"]
            self.assertGreater(server["cpu_seconds"], 0)
            self.assertGreater(server["cpu_ns_per_delivery"], 0)
            self.assertAlmostEqual(server["cpu_share"], server["cpu_seconds"] / report["seconds"], places=3)
            self.assertGreater(server["rss_bytes"], 1 << 20)
            self.assertGreaterEqual(server["rss_peak_bytes"], server["rss_bytes"])
        self.assertIsNone(self.report("fanout", *QUICK, "--url", self.urls[0])["server"])

    def test_every_file_is_written(self):
        with tempfile.TemporaryDirectory() as directory:
            def path(name):
                return os.path.join(directory, name)

            outcome = self.run_bench("fanout", *QUICK, "--url", self.urls[0], "--json", path("j"), "--csv", path("c"),
                                     "--hdr", path("h"), "--plot", path("p.html"))
            self.assertIn("errors", outcome.stdout)
            self.assertEqual(outcome.stderr, "")  # progress is for terminals
            with open(path("j"), encoding="utf-8") as file:
                report = json.load(file)
            with open(path("c"), encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            self.assertEqual([int(row["delivered"]) for row in rows],
                             [sample["delivered"] for sample in report["series"]])
            with open(path("h"), encoding="utf-8") as file:
                hdr = file.read()
            lines = [line.split() for line in hdr.splitlines() if re.match(r" *[0-9]", line)]
            self.assertEqual(float(lines[-1][1]), 1.0)
            self.assertEqual(int(lines[-1][2]), report["latency_us"]["count"])
            with open(path("p.html"), encoding="utf-8") as file:
                page = file.read()
            self.assertIn("</html>", page)
            self.assertNotRegex(page, r'(src|href)="https?:')

    def test_a_file_that_cannot_be_written(self):
        outcome = self.run_bench("fanout", *QUICK, "--url", self.urls[1], "--csv", "/nowhere/at/all.csv", code=1)
        self.assertIn("/nowhere/at/all.csv", outcome.stderr)

    def test_fail_if(self):
        outcome = self.run_bench("fanout", *QUICK, "--url", self.urls[0], "--fail-if", "delivered<1000000000",
                                 "--fail-if", "lost>0", code=3)
        self.assertIn("delivered<1000000000", outcome.stderr)
        self.assertNotIn("lost", outcome.stderr)
        self.run_bench("fanout", *QUICK, "--url", self.urls[0], "--fail-if", "lost>0", "--fail-if", "delivered<1")

    def test_a_frame_that_the_broker_refuses(self):
        report = self.report("fanout", "--warm-up", "0", "--duration", "300ms", "--drain-time", "100ms", "--url",
                             self.urls[1], "--body-size", "4M", "--window", 1, "--subscribers", 2, code=2)
        self.assertEqual(report["errors"]["refused"], 1)
        self.assertIn("frame-too-large", report["first_error"])


class CouldNotRun(BenchTest):
    def test_bad_usage(self):
        for words in ((), ("nothing",), ("fanout", "--nonsense"), ("fanout", "--url", "http://127.0.0.1"),
                      ("fanout", "--fail-if", "p99>5"), ("fanout", "--body-size", "12")):
            with self.subTest(words=words):
                outcome = self.run_bench(*words, code=2)
                self.assertTrue(outcome.stderr.startswith("stampede-bench: "), outcome)
                self.assertEqual(outcome.stdout, "")

    def test_help_and_version(self):
        for words in (("--help",), ("fanout", "--help"), ("--version",)):
            self.assertIn("stampede", self.run_bench(*words).stdout)

    def test_nobody_listens(self):
        with socket.socket() as unused:  # bound, so that nobody else gets it
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            for url in (f"ws://127.0.0.1:{port}/ws", f"stomp://127.0.0.1:{port}"):
                for threads in (1, 2):
                    outcome = self.run_bench("fanout", "--url", url, "--threads", threads, code=1)
                    self.assertIn("could not connect: Connection refused", outcome.stderr)

    def test_no_such_process(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        outcome = self.run_bench("fanout", "--server-pid", gone.pid, code=1)
        self.assertIn(str(gone.pid), outcome.stderr)

    def test_a_broker_that_does_not_let_in(self):
        for fault, reason in (("refuse", "refused: authentication-failed"), ("hang_up", "could not connect: closed"),
                              ("mute", "connected and subscribed in time")):
            with self.subTest(fault=fault), FakeBroker(fault) as broker:
                outcome = self.run_bench("fanout", "--url", f"stomp://127.0.0.1:{broker.tcp}", "--set-up-time",
                                         "300ms", "--threads", 2, code=1)
                self.assertIn(reason, outcome.stderr)


class AgainstAFaultyBroker(BenchTest):
    """Each fault is counted under its own name, as often as it was made."""

    SUBSCRIBERS = 4
    FAULTS = SUBSCRIBERS * FAULTS_EACH

    def load(self, broker, scenario, *words, duration="400ms", code=2):
        # Of a queue only one has each message.
        rate = 1000 if scenario == "queue" else 500
        return self.report(scenario, "--url", f"stomp://127.0.0.1:{broker.tcp}", "--subscribers", self.SUBSCRIBERS,
                           "--warm-up", "0", "--duration", duration, "--rate", rate, "--drain-time", "300ms",
                           *words, code=code)

    def run_fault(self, fault, *words, scenario="fanout", **expected):
        """For one thread and two; `expected` is what is not 0 in the report."""
        for threads in (1, 2):
            with self.subTest(threads=threads), FakeBroker(fault) as broker:
                report = self.load(broker, scenario, "--threads", threads, *words)
                self.assertEqual(broker.faults, self.FAULTS)
                self.assertEqual(report["errors"], {**NO_ERRORS, **expected}, report["first_error"])
                self.assertNotEqual(report["first_error"], "")

    def test_none(self):
        for threads in (1, 2):
            with FakeBroker() as broker:
                report = self.load(broker, "fanout", "--threads", threads, code=0)
                self.assertEqual(report["errors"], NO_ERRORS)
                self.assertEqual(broker.delivered, broker.sends * self.SUBSCRIBERS)
                self.assertEqual(report["published"], broker.sends)  # there is no warm-up

    def test_drop(self):
        self.run_fault("drop", lost=self.FAULTS)

    def test_drop_with_several_destinations_and_publishers(self):
        self.run_fault("drop", "--destinations", 2, "--publishers", 3, lost=self.FAULTS)

    def test_double(self):
        self.run_fault("double", duplicated=self.FAULTS)

    def test_swap(self):
        self.run_fault("swap", reordered=self.FAULTS)

    def test_alter(self):
        self.run_fault("alter", corrupted=self.FAULTS, lost=self.FAULTS)

    def test_alter_with_nothing_but_a_stamp(self):
        self.run_fault("alter", "--body-size", 13, corrupted=self.FAULTS, lost=self.FAULTS)

    def test_cut(self):
        self.run_fault("cut", corrupted=self.FAULTS, lost=self.FAULTS)

    def test_astray(self):
        self.run_fault("astray", "--destinations", 2, corrupted=self.FAULTS, lost=self.FAULTS)

    def test_error(self):
        with FakeBroker("error") as broker:
            errors = self.load(broker, "fanout", "--publishers", 2)
            self.assertEqual(broker.faults, 1)
            self.assertIn("refused: rate-limited", errors["first_error"])
            self.assertEqual(errors["errors"]["refused"], 1)
            self.assertEqual(errors["errors"]["disconnected"], 1)

    def test_close(self):
        with FakeBroker("close") as broker:
            report = self.load(broker, "fanout")
            self.assertEqual(broker.faults, 1)
            self.assertIn("a connection was lost: closed by the broker", report["first_error"])
            self.assertEqual(report["errors"]["disconnected"], 1)
            self.assertEqual(report["errors"]["refused"], 0)
            self.assertGreater(report["errors"]["lost"], 0)

    def test_errors_come_before_fail_if(self):
        with FakeBroker("drop") as broker:
            self.load(broker, "fanout", "--fail-if", "lost>0", code=2)

    def test_closed_loop_goes_on_within_its_window_after_a_loss(self):
        with FakeBroker("drop") as broker:
            report = self.report("fanout", "--url", f"stomp://127.0.0.1:{broker.tcp}", "--subscribers", 2, "--window",
                                 16, "--warm-up", "0", "--duration", "300ms", "--drain-time", "100ms", code=2)
            self.assertEqual(report["errors"], {**NO_ERRORS, "lost": 2 * FAULTS_EACH})

    def test_churning_guests_see_what_they_miss(self):
        """The guests stay long enough for each of the faults."""
        with FakeBroker("drop") as broker:
            report = self.load(broker, "churn", "--churn-rate", 10, "--churn-stay", "400ms",
                               duration="600ms")
            self.assertGreater(broker.faults, self.FAULTS)
            self.assertGreater(report["errors"]["lost"], self.FAULTS)
            self.assertLessEqual(report["errors"]["lost"], broker.faults)

    # -- queues

    def test_queue(self):
        for ack in ("auto", "client-individual"):
            for threads in (1, 2):
                with self.subTest(ack=ack, threads=threads), FakeBroker() as broker:
                    report = self.load(broker, "queue", "--ack", ack, "--threads", threads, "--destinations", 2,
                                       "--publishers", 2, code=0)
                    self.assertEqual(report["errors"], NO_ERRORS)
                    self.assertEqual(report["published"], broker.sends)
                    self.assertEqual(broker.delivered, broker.sends)
                    self.assertEqual(broker.bad_acks, 0)
                    self.assertEqual(broker.acknowledged, broker.delivered if ack != "auto" else 0)

    def test_queue_closed_loop(self):
        with FakeBroker() as broker:
            report = self.report("queue", "--url", f"stomp://127.0.0.1:{broker.tcp}", *QUICK, "--subscribers", 3,
                                 "--threads", 2, "--window", 4, "--ack", "client-individual")
            self.assertEqual(report["errors"], NO_ERRORS)
            self.assertGreater(report["delivered"], 50)
            self.assertEqual(broker.acknowledged, broker.delivered)

    def test_queue_drop(self):
        self.run_fault("drop", "--ack", "client-individual", scenario="queue", lost=self.FAULTS)

    def test_queue_double(self):
        """The second time to another consumer, perhaps at the same time and in another thread."""
        self.run_fault("double", "--ack", "client-individual", scenario="queue",
                       duplicated=self.FAULTS)

    def test_queue_alter(self):
        self.run_fault("alter", scenario="queue", corrupted=self.FAULTS, lost=self.FAULTS)

    # -- the user

    def test_an_interrupt_ends_the_run_and_reports_it(self):
        with FakeBroker() as broker:
            process = start("fanout", "--url", f"stomp://127.0.0.1:{broker.tcp}", "--subscribers", 2, "--rate", 500,
                            "--warm-up", "0", "--duration", "20s", "--threads", 2, "--json", "-")
            wait_until(lambda: broker.delivered > 400, "some load", 10)
            process.send_signal(signal.SIGINT)
            outcome = Outcome(process)
            self.assertEqual(outcome.code, 0, outcome)
            report = json.loads(outcome.stdout)
            self.assertEqual(report["errors"], NO_ERRORS)
            self.assertGreater(report["seconds"], 0)
            self.assertLess(report["seconds"], 10)
            self.assertGreater(report["published"], 0)

    def test_an_interrupt_before_all_are_connected(self):
        with FakeBroker("mute") as broker:
            process = start("fanout", "--url", f"stomp://127.0.0.1:{broker.tcp}")
            wait_until(lambda: broker.subscribers, "a subscription", 10)
            process.send_signal(signal.SIGINT)
            outcome = Outcome(process)
            self.assertEqual(outcome.code, 1, outcome)
            self.assertIn("interrupted", outcome.stderr)


if __name__ == "__main__":
    unittest.main()
