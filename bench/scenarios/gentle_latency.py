"""How long a message takes from a publisher that asks little, by the second."""

import socket
import time

from checked_readers import CONNECT, body_of

RATE = 20
KIND = b"gentle"


class GentleLatency:
    """RATE messages a second on a schedule, to all topics in turn; latency counts from when each was due, to each of its readers."""

    def __init__(self, port, readers):
        self.readers = readers
        self.sent = 0
        self.unsent = b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(CONNECT)
        self.socket.setblocking(False)

    def measure(self, seconds, is_enough=lambda sample: False):
        """(p50, p99) in ms of each second, until one is enough; infinite if nothing came."""
        samples = []
        began, sent_before = time.monotonic(), self.sent
        self.readers.time_messages(KIND)
        while len(samples) < seconds and not (samples and is_enough(samples[-1])):
            self._publish(sent_before + (time.monotonic() - began) * RATE)
            self.readers.turn(0.005)
            if time.monotonic() - began >= len(samples) + 1:
                samples.append(percentiles(self.readers.take_latencies()))
        self.readers.time_messages(None)
        return samples

    def _publish(self, due):
        streams = self.readers.streams
        while self.sent < due:
            number, place = divmod(self.sent, len(streams))
            self.unsent += b"SEND\ndestination:%s\n\n%s\0" % (streams[place].destination.encode(), body_of(KIND, number, 100))
            self.sent += 1
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent):] if self.unsent else b""
        except BlockingIOError:
            pass


def percentiles(sorted_ns):
    if not sorted_ns:
        return float("inf"), float("inf")
    return tuple(sorted_ns[len(sorted_ns) * percent // 100] / 1e6 for percent in (50, 99))


def text_of(samples):
    return ", ".join(f"{p50:.2f}/{p99:.2f}" for p50, p99 in samples)
