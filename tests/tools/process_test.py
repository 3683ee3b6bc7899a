"""The broker as a process: what it prints, its ports file, signals, log and exit codes."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BINARY = os.environ["STAMPEDE_BINARY"]
SECCOMP_RUN = os.environ["SECCOMP_RUN"]
IS_SANITIZED = os.environ.get("IS_SANITIZED") == "1"
DEADLINE = 20.0


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("STAMPEDE_")}


def run(*command):
    return subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=DEADLINE,
                          check=False)


class Broker:
    """A running broker with a log file and a ports file in a directory of its own."""

    def __init__(self, *flags, address_space=None, stderr=None, log_is=None):
        self.directory = tempfile.TemporaryDirectory(prefix="stampede-process-")
        self.ports_file = self.path("ports.json")
        self.log_file = self.path("log")
        if log_is is not None:
            os.symlink(log_is, self.log_file)
        self.process = subprocess.Popen(
            [BINARY, "--listen", "ws://127.0.0.1:0", "--listen", "stomp://127.0.0.1:0", "--shards", "2",
             "--admin", "off", "--ports-file", self.ports_file, "--log-file", self.log_file, *flags],
            env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True)
        if address_space is not None:
            resource.prlimit(self.process.pid, resource.RLIMIT_AS, (address_space, address_space))
        self.lines = []

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def __enter__(self):
        watchdog = threading.Timer(DEADLINE, self.process.kill)
        watchdog.start()
        while "ready" not in self.lines:
            line = self.process.stdout.readline()
            if not line:
                watchdog.cancel()
                self.__exit__()
                raise AssertionError(f"not ready; printed {self.lines}")
            self.lines.append(line.rstrip("\n"))
        watchdog.cancel()
        with open(self.ports_file, encoding="utf-8") as file:
            self.ports = json.load(file)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.directory.cleanup()

    def log(self, path=None):
        with open(path or self.log_file, encoding="utf-8") as file:
            return file.read()

    def wait_for_log(self, pattern, path=None):
        end = time.monotonic() + DEADLINE
        while not re.search(pattern, self.log(path) if os.path.exists(path or self.log_file) else ""):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in the log:\n{self.log(path)}")
            time.sleep(0.01)

    def connect(self):
        """A STOMP session over TCP."""
        port = next(entry["port"] for entry in self.ports["listeners"] if entry["transport"] == "stomp")
        client = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        client.sendall(b"CONNECT\naccept-version:1.2\nhost:a\n\n\0")
        answer = client.recv(65536)
        assert answer.startswith(b"CONNECTED"), answer
        return client

    def end(self):
        return self.process.wait(DEADLINE)


class Start(unittest.TestCase):
    def test_it_prints_a_line_a_listener_and_ready(self):
        with Broker() as broker:
            self.assertEqual(len(broker.lines), 3, broker.lines)
            self.assertRegex(broker.lines[0], r"^listening on ws://127\.0\.0\.1:\d+ at /stomp, /ws$")
            self.assertRegex(broker.lines[1], r"^listening on stomp://127\.0\.0\.1:\d+$")

    def test_the_ports_file_has_what_was_bound(self):
        with Broker() as broker:
            self.assertEqual(broker.ports["pid"], broker.process.pid)
            ws, stomp = broker.ports["listeners"]
            self.assertEqual(ws, {"uri": f"ws://127.0.0.1:{ws['port']}", "transport": "ws", "host": "127.0.0.1",
                                  "port": ws["port"], "paths": ["/stomp", "/ws"]})
            self.assertEqual(stomp, {"uri": f"stomp://127.0.0.1:{stomp['port']}", "transport": "stomp",
                                     "host": "127.0.0.1", "port": stomp["port"], "paths": []})
            self.assertGreater(ws["port"], 0)
            self.assertIsNone(broker.ports["admin"])
            self.assertEqual(sorted(os.listdir(broker.directory.name)), ["log", "ports.json"])

    def test_the_admin_listener_is_announced_with_the_others(self):
        with Broker("--admin", "127.0.0.1:0") as broker:
            admin = broker.ports["admin"]
            uri = f"http://127.0.0.1:{admin['port']}"
            self.assertEqual(admin, {"uri": uri, "host": "127.0.0.1", "port": admin["port"]})
            self.assertEqual(broker.lines[2:], [f"admin on {uri}", "ready"])

    def test_a_taken_admin_port_is_an_error_that_names_the_flag(self):
        with Broker("--admin", "127.0.0.1:0") as broker:
            admin = f"127.0.0.1:{broker.ports['admin']['port']}"
            result = run(BINARY, "--listen", "stomp://127.0.0.1:0", "--admin", admin)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn(f"cannot listen on {admin}: Address already in use", result.stderr)
        self.assertIn("--admin", result.stderr)

    def test_admin_beyond_loopback_needs_a_flag(self):
        result = run(BINARY, "--listen", "stomp://127.0.0.1:0", "--admin", "0.0.0.0:0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--allow-anonymous", result.stderr)
        with Broker("--admin", "0.0.0.0:0", "--allow-anonymous") as broker:
            self.assertEqual(broker.ports["admin"]["host"], "0.0.0.0")

    def test_a_wrong_admin_address_is_bad_usage(self):
        for address in ("15672", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:1/x", ""):
            with self.subTest(address):
                result = run(BINARY, f"--admin={address}")
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn("--admin: ", result.stderr)

    def test_unknown_keys_of_a_file_are_warnings(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("no_such_key = 1\n")
            file.flush()
            with Broker("--config", file.name) as broker:
                broker.wait_for_log(re.escape(f"warning {file.name}:1: no_such_key: unknown key"))

    def test_a_taken_port_is_an_error(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            result = run(BINARY, "--admin", "off", "--listen", f"stomp://127.0.0.1:{port}")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn(f"127.0.0.1:{port}", result.stderr)

    def test_beyond_loopback_needs_a_flag(self):
        result = run(BINARY, "--admin", "off", "--listen", "stomp://0.0.0.0:0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--allow-anonymous", result.stderr)

    def test_files_that_cannot_be_written_are_errors(self):
        for flag in ("--log-file", "--ports-file"):
            with self.subTest(flag):
                result = run(BINARY, "--admin", "off", "--listen", "stomp://127.0.0.1:0", flag, "/nonexistent/file")
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertIn("/nonexistent/file: No such file or directory", result.stderr)


class Signals(unittest.TestCase):
    def test_term_drains_and_ends_clean(self):
        with Broker() as broker, broker.connect() as client:
            broker.process.send_signal(signal.SIGTERM)
            self.assertEqual(broker.end(), 0)
            self.assertIn(b"server-draining", client.recv(65536))
            self.assertRegex(broker.log(), r"draining signal=TERM connections=1 drain_delay=0ms drain_time=30s\n")
            self.assertRegex(broker.log(), r"close shard=\d client=.* reason=drain ")
            self.assertTrue(broker.log().endswith("info stopped\n"))

    def test_int_stops_at_once(self):
        with Broker() as broker, broker.connect():
            broker.process.send_signal(signal.SIGINT)
            self.assertEqual(broker.end(), 0)

    def test_a_second_signal_ends_a_drain(self):
        for second in (signal.SIGTERM, signal.SIGINT):
            # A client that does not close keeps the drain going.
            with self.subTest(second), Broker("--close-linger", "1h", "--drain-time", "1h") as broker, broker.connect():
                broker.process.send_signal(signal.SIGTERM)
                broker.wait_for_log("draining")
                with self.assertRaises(subprocess.TimeoutExpired):
                    broker.process.wait(0.2)
                broker.process.send_signal(second)
                self.assertEqual(broker.end(), 0)

    def test_hup_does_not_end_it(self):
        with Broker() as broker:
            broker.process.send_signal(signal.SIGHUP)
            broker.wait_for_log("signal=HUP")
            broker.connect().close()

    def test_usr1_opens_the_log_file_again(self):
        with Broker() as broker:
            moved = broker.path("log.1")
            os.rename(broker.log_file, moved)
            broker.process.send_signal(signal.SIGUSR1)
            broker.wait_for_log("log opened signal=USR1")
            broker.connect().close()
            broker.wait_for_log("close shard=")
            self.assertNotIn("close shard=", broker.log(moved))

    def test_usr2_logs_a_line_for_each_shard_at_any_level(self):
        with Broker("--log-level", "error") as broker, broker.connect():
            broker.process.send_signal(signal.SIGUSR2)
            broker.wait_for_log(r"snapshot shard=1 .*\n")
            lines = broker.log().splitlines()
            self.assertEqual(len(lines), 2)
            for shard, line in enumerate(lines):
                self.assertRegex(line, rf" snapshot shard={shard}( [a-z0-9_]+=\d+){{30,}}$")
            clients = [int(count) for count in re.findall(r" clients=(\d+)", broker.log())]
            self.assertEqual(sum(clients), 1)


class FullDisk(unittest.TestCase):
    def test_a_log_that_cannot_be_written_stops_nobody(self):
        with Broker(log_is="/dev/full") as broker:
            for _ in range(3):
                broker.connect().close()
            os.remove(broker.log_file)
            broker.process.send_signal(signal.SIGUSR1)
            # What was lost is counted where there is room again: "started" at least.
            broker.wait_for_log(r"log_lost lines=[1-9]")
            broker.connect().close()


class LogFormat(unittest.TestCase):
    def test_text_lines_have_time_and_level(self):
        with Broker() as broker:
            broker.wait_for_log("started")
            self.assertRegex(broker.log(), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d info started shards=2 ")

    def test_the_level_holds_back_what_is_less(self):
        with Broker("--log-level", "error") as broker:
            broker.connect().close()
            broker.process.send_signal(signal.SIGTERM)
            self.assertEqual(broker.end(), 0)
            self.assertEqual(broker.log(), "")

    def test_json_lines_parse_whatever_a_client_wrote(self):
        hostile = b'"}\n\x01\xff\\ reason=forged {"'
        with Broker("--log-format", "json") as broker:
            for junk in (hostile + b"\0", b"CONNECT\n" + hostile + b"\n\n\0"):
                port = broker.ports["listeners"][1]["port"]
                with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
                    client.sendall(junk)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
            broker.wait_for_log('(?s)"msg":"close".*"msg":"close"')
            lines = [json.loads(line) for line in broker.log().splitlines()]
            self.assertEqual([line["msg"] for line in lines], ["started", "close", "close"])
            for line in lines[1:]:
                self.assertEqual(line["level"], "info")
                self.assertNotEqual(line["reason"], "forged")
                self.assertIsInstance(line["client"], int)


class OutOfMemory(unittest.TestCase):
    @unittest.skipIf(IS_SANITIZED, "sanitizers need more address space than any limit leaves")
    def test_it_ends_with_a_line_that_says_so(self):
        with tempfile.TemporaryFile("w+") as stderr:
            with Broker("--max-queue-bytes", "4G", address_space=400 << 20, stderr=stderr) as broker:
                with broker.connect() as client, self.assertRaises(OSError):
                    while True:
                        client.sendall(b"SEND\ndestination:/queue/a\n\n" + b"x" * 100_000 + b"\0")
                self.assertEqual(broker.end(), -signal.SIGABRT)
            stderr.seek(0)
            self.assertRegex(stderr.read(), "stampede: out of memory: .*--max-queue-bytes")


class System(unittest.TestCase):
    def test_check_system_prints_a_table(self):
        result = run(BINARY, "--check-system")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for name in ("kernel", "io_uring", "memlock", "nofile"):
            self.assertRegex(result.stdout, rf"(?m)^(OK|WARN) +{name}: ")

    def test_without_io_uring_it_says_cause_and_cure_and_ends_with_78(self):
        for error, cause, cure in (("EPERM", "seccomp|io_uring_disabled", "(?i)allow|profile|sysctl"),
                                   ("ENOSYS", "io_uring", r"6\.1")):
            with self.subTest(error):
                result = run(SECCOMP_RUN, error, BINARY, "--admin", "off", "--listen", "stomp://127.0.0.1:0")
                self.assertEqual((result.returncode, result.stdout), (78, ""))
                self.assertRegex(result.stderr, cause)
                self.assertRegex(result.stderr, cure)
                table = run(SECCOMP_RUN, error, BINARY, "--check-system")
                self.assertEqual(table.returncode, 78)
                self.assertRegex(table.stdout, r"(?m)^FAIL +io_uring: ")


if __name__ == "__main__":
    unittest.main()
