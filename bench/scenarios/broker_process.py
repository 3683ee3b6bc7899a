"""Starts one broker for a measurement and reads what the kernel says of it."""

import json
import os
import resource
import signal
import subprocess
import tempfile
import time
import urllib.request


class BrokerProcess:
    """A broker on free loopback ports, pinned to a CPU; ended by its own process id. `log` is a file for its stderr."""

    def __init__(self, binary, flags, cpu=None, admin="off", log=subprocess.DEVNULL):
        self.directory = tempfile.TemporaryDirectory()
        ports_file = os.path.join(self.directory.name, "ports.json")
        command = [binary, "--listen", "ws://127.0.0.1:0", "--listen", "stomp://127.0.0.1:0",
                   "--admin", admin, "--ports-file", ports_file, *flags]
        if cpu is not None:
            command = ["taskset", "-c", str(cpu), *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        for line in self.process.stdout:
            if line.strip() == "ready":
                break
        else:
            raise SystemExit("the broker did not start")
        with open(ports_file) as file:
            bound = json.load(file)
        listeners = bound["listeners"]
        self.admin = bound["admin"]["uri"] if bound["admin"] else None
        self.ws_port = next(entry["port"] for entry in listeners if entry["transport"] == "ws")
        self.tcp_port = next(entry["port"] for entry in listeners if entry["transport"] != "ws")

    @property
    def pid(self):
        return self.process.pid

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise SystemExit("the broker is gone")

    def rss_peak_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    def page(self, target):
        """What the admin listener says there."""
        with urllib.request.urlopen(self.admin + target, timeout=10) as answer:
            return answer.read().decode()

    def figures(self):
        """Name -> value of every metric, labels included."""
        lines = (line.rpartition(" ") for line in self.page("/metrics").splitlines() if line and line[0] != "#")
        return {name: float(value) for name, _, value in lines}

    def cpu_seconds(self):
        """User and system time of all threads so far."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        tick = os.sysconf("SC_CLK_TCK")
        return int(fields[11]) / tick, int(fields[12]) / tick

    def cpu_ns(self):
        """The same in one number, and exact: of the scheduler's accounts, not counted in ticks."""
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        return total

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=10)
        self.directory.cleanup()


def raise_descriptor_limit(wanted):
    """For this process and those that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        raise SystemExit(f"{wanted} descriptors are needed, and the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def handshake(path=b"/ws"):
    return (b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: v12.stomp\r\n\r\n")


def client_frame(payload):
    """One masked text message; the masking key is 0, which is legal and leaves the payload as it is."""
    if len(payload) < 126:
        header = bytes([0x81, 0x80 | len(payload)])
    else:
        header = bytes([0x81, 0xFE]) + len(payload).to_bytes(2, "big")
    return header + b"\0\0\0\0" + payload


def read_until(connection, marker, deadline_seconds=10):
    connection.settimeout(deadline_seconds)
    octets = b""
    end = time.monotonic() + deadline_seconds
    while marker not in octets:
        piece = connection.recv(65536)
        if not piece or time.monotonic() > end:
            raise SystemExit(f"the broker said {octets!r} instead of {marker!r}")
        octets += piece
    return octets
