"""Readers that never read, what the broker knows of their lag, and what one of them gets when it wakes up."""

import json
import socket
import time

CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0"
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class StuckReaders:
    """Requires: they come before all others, so that they are first in the broker's table."""

    def __init__(self, port, destination, count):
        self.clients = [come(port, destination) for _ in range(count)]
        self.watched = {"%s:%d" % client.getsockname(): Lag() for client in self.clients}

    def look(self, broker, bytes_max):
        """Asks the broker how much each of them lags by."""
        if not self.clients:
            return
        now = time.time()
        page = json.loads(broker.page(f"/connz?limit={len(self.clients)}"))
        for entry in page["connections"]:
            lag = self.watched.get(entry["peer"])
            if lag:
                lag.note(now, entry["lag_bytes"], bytes_max)

    def seconds_past_bound(self, closes, after_seconds):
        """Of each that was ended: for how long it had been past its bound by then."""
        gone_at = {close.peer: close.at for close in closes}
        return [gone_at[peer] - min(lag.took_last + after_seconds, lag.passed_bytes)
                for peer, lag in self.watched.items() if peer in gone_at]

    def leave(self):
        for client in self.clients:
            client.close()


class Lag:
    """What was seen of one connection's lag."""

    def __init__(self):
        self.took_last = time.time()  # or later
        self.passed_bytes = float("inf")  # when it was first seen to be beyond the bound of bytes
        self.bytes = self.most = 0

    def note(self, now, lag_bytes, bytes_max):
        if lag_bytes == 0 or lag_bytes < self.bytes:
            self.took_last = now
        if lag_bytes > bytes_max:
            self.passed_bytes = min(self.passed_bytes, now)
        self.bytes, self.most = lag_bytes, max(self.most, lag_bytes)


def come(port, destination):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    # An address of their own: others may have the same ports towards another listener.
    client.bind(("127.0.0.2", 0))
    client.connect(("127.0.0.1", port))
    client.sendall(CONNECT + f"SUBSCRIBE\nid:0\ndestination:{destination}\n\n\0".encode())
    return client


def number_of(body):
    """Of the message, as stampede-bench's stamp says it (tools/stampede_bench/load/stamp.h)."""
    number = 0
    for letter in body[4:12]:
        number = number * 64 + LETTERS.index(letter)
    return number


class Awakened:
    """Reads what there is for a reader that slept, and holds it against how many were published."""

    def __init__(self, client, published, deadline_seconds=10):
        self.received = self.dropped = 0
        self.before_gap = None  # how many came before the first that says dropped
        self.newest = None  # number of the last one
        self.newest_says_dropped = False
        self.is_exact = True  # each number is where the count of dropped ones says
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        client.settimeout(1)
        octets = b""
        until = time.monotonic() + deadline_seconds
        while self.received + self.dropped < published and time.monotonic() < until:
            try:
                piece = client.recv(1 << 20)
            except TimeoutError:
                continue
            if not piece:
                break
            *frames, octets = (octets + piece).split(b"\0")
            for frame in frames:
                self._take(frame)

    def _take(self, frame):
        head, _, body = frame.partition(b"\n\n")
        if not head.startswith(b"MESSAGE"):
            return
        headers = dict(line.split(b":", 1) for line in head.split(b"\n")[1:])
        dropped = int(headers.get(b"dropped", 0))
        if dropped and self.before_gap is None:
            self.before_gap = self.received
        self.newest, self.newest_says_dropped = number_of(body), dropped > 0
        self.is_exact &= self.newest == self.received + self.dropped + dropped
        self.dropped += dropped
        self.received += 1
