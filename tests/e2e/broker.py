"""Starts and stops one broker for a test program: a free port each, and no process left behind.

STAMPEDE_BINARY          the program to test
SHARDS                   how many shards (default 1)
STAMPEDE_TEST_SLOWDOWN   multiplies every deadline (default 1; sanitizer builds use 5)
"""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

SLOWDOWN = float(os.environ.get("STAMPEDE_TEST_SLOWDOWN", "1"))
SHARDS = int(os.environ.get("SHARDS", "1"))


def seconds(value):
    """A deadline, with the slack that a slow build needs."""
    return value * SLOWDOWN


def wait_until(condition, what, timeout=5.0):
    """Polls something that nobody can tell us about (a table's size, a process) until it holds."""
    end = time.monotonic() + seconds(timeout)
    while True:
        if condition():
            return
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds(timeout):g} s: {what}")
        time.sleep(0.01)


class Broker:
    """One broker process. `with Broker("--max-headers", "8") as broker: broker.tcp, broker.ws`."""

    def __init__(self, *flags, shards=None):
        self.flags = list(flags)
        self.shards = shards or SHARDS
        self.directory = tempfile.mkdtemp(prefix="stampede-e2e-")
        self.stderr_path = os.path.join(self.directory, "stderr")
        self.process = None
        try:
            self._start()
        except BaseException:
            self.kill()
            raise

    def _start(self):
        binary = os.environ.get("STAMPEDE_BINARY")
        if not binary:
            raise RuntimeError("STAMPEDE_BINARY is not set: the path of the broker to test")
        ports_file = os.path.join(self.directory, "ports.json")
        command = [binary, "--listen", "ws://127.0.0.1:0", "--listen", "stomp://127.0.0.1:0",
                   "--admin", "off", "--ports-file", ports_file, "--shards", str(self.shards), *self.flags]
        # STAMPEDE_ names are settings of the broker's too: it gets none of ours.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STAMPEDE_")}
        # The broker dies with this program, even if it is killed itself.
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                                            env=environment)
        lines = queue.Queue()

        def read_stdout():
            for line in self.process.stdout:
                lines.put(line.decode().rstrip("\n"))
            lines.put(None)

        threading.Thread(target=read_stdout, daemon=True).start()
        self.stdout_lines = []
        end = time.monotonic() + seconds(15)
        while True:
            try:
                line = lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the broker was not ready in time; stderr:\n{self.stderr()}") from None
            if line is None:
                self.process.wait()
                raise AssertionError(
                    f"the broker ended with {self.process.returncode} before it was ready; stderr:\n{self.stderr()}")
            self.stdout_lines.append(line)
            if line == "ready":
                break
        with open(ports_file, encoding="utf-8") as file:
            self.ports = json.load(file)
        by_transport = {entry["transport"]: entry for entry in self.ports["listeners"]}
        self.ws = by_transport["ws"]["port"]
        self.tcp = next(entry["port"] for name, entry in by_transport.items() if name != "ws")

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def is_running(self):
        return self.process.poll() is None

    def tables(self):
        """The sums over all shards of what SIGUSR2 makes the broker log, e.g. {"clients": 2, ...}."""
        before = len(self.stderr())
        self.process.send_signal(signal.SIGUSR2)
        lines = []

        def told():
            nonlocal lines
            text = self.stderr()[before:]
            lines = [line for line in text[:text.rfind("\n") + 1].splitlines() if "pattern_interests=" in line]
            return len(lines) >= self.shards

        wait_until(told, "a line of tables for each shard after SIGUSR2")
        sums = {}
        for line in lines[:self.shards]:
            for key, value in re.findall(r"\b(\w+)=(\d+)\b", line):
                sums[key] = sums.get(key, 0) + int(value)
        return sums

    def wait_for_empty_tables(self, timeout=5.0):
        """Waits until nothing but remembered destinations is left of any client."""
        keys = ("clients", "subscriptions", "cursors", "groups", "topics", "interested", "pattern_interests",
                "log_bytes")
        last = {}

        def empty():
            nonlocal last
            last = self.tables()
            return all(last[key] == 0 for key in keys)

        try:
            wait_until(empty, "every table empty", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; last: {last}") from None

    def wait_exit(self, timeout):
        try:
            return self.process.wait(seconds(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the broker did not exit within {seconds(timeout):g} s; stderr ends:\n{self.stderr()[-3000:]}") from None

    def stop(self, timeout=15.0):
        """SIGTERM, then a clean exit: what every test ends with."""
        try:
            if self.is_running():
                self.process.send_signal(signal.SIGTERM)
            code = self.wait_exit(timeout)
            if code != 0:
                raise AssertionError(f"the broker exited with {code}; stderr ends:\n{self.stderr()[-6000:]}")
        finally:
            self.kill()

    def kill(self):
        if self.process is not None:
            if self.is_running():
                self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.stop()
        else:
            self.tell_how_it_went()
            self.kill()

    def tell_how_it_went(self):
        """Stops it, and prints what it said: for a test that failed."""
        if not self.is_running():
            print(f"-- the broker had ended with {self.process.returncode}", flush=True)
        # Its log is written a little behind what happens, and all of it before a clean end.
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(seconds(5))
        except subprocess.TimeoutExpired:
            print("-- the broker does not stop", flush=True)
        text = self.stderr()
        if text:
            print(f"-- the broker's stderr ends:\n{text[-3000:]}", flush=True)
