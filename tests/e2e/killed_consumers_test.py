"""No message of a queue is lost, and none is acknowledged twice, however consumers die.

A publisher puts 100,000 messages into a queue. Four consumers, each a process of its own, take them with
client-individual and are killed with -9 in the middle of it, again and again; a new one takes the place of each. What a
consumer was given, and which of its acknowledgements have a RECEIPT, it writes down before it goes on, so that the file
outlives it. At the end:
- the broker has counted 100,000 acknowledgements, and its queue is empty;
- every number was given to somebody;
- no number has two acknowledgements with a RECEIPT, and none was given to anybody behind one;
- what was given to a second consumer says redelivered:true.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import unittest
from types import SimpleNamespace

from broker import SLOWDOWN, Broker, wait_until
from wire import TcpClient, encode

MESSAGES = int(100_000 / (10 if SLOWDOWN > 1 else 1))
CONSUMERS = 4
KILLS = 12
PREFETCH = 100
HELD = 20          # what a busy consumer does not acknowledge yet
QUIET_SECONDS = 0.02
WINDOW = 500       # of the publisher: SENDs without RECEIPT
QUEUE = "/queue/work"
WAIT = 60


def publish(port):
    """All messages, in windows that end with a RECEIPT."""
    client = TcpClient(SimpleNamespace(tcp=port))
    client.connect()
    for begin in range(0, MESSAGES, WINDOW):
        end = min(begin + WINDOW, MESSAGES)
        frames = b"".join(encode("SEND", {"destination": QUEUE}, b"%d" % n) for n in range(begin, end - 1))
        client.send(frames + encode("SEND", {"destination": QUEUE, "receipt": f"r{end}"}, b"%d" % (end - 1)))
        client.expect_receipt(f"r{end}", WAIT)
    client.close()


class Consumer:
    """The program of a consumer's process: writes `g NUMBER REDELIVERED` for what it is given and `a NUMBER` for each
    acknowledgement with a RECEIPT to its file, each line before its next step."""

    def __init__(self, port, path):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.client = TcpClient(SimpleNamespace(tcp=port))
        self.client.connect()
        self.client.send_frame("SUBSCRIBE", {"id": "0", "destination": QUEUE, "ack": "client-individual",
                                             "prefetch-count": str(PREFETCH)})

    def run(self):
        held = []  # given and not acknowledged yet, so that whoever is killed leaves some
        while True:
            if held and not select.select([self.client.sock], [], [], QUIET_SECONDS)[0]:
                self.client.send(b"".join(held))
                held = []
            frames = [self.client.frame(3600)]
            while (more := self.client.reader.next()) is not None:
                frames.append(more)
            given, settled = [], []
            for frame in frames:
                if frame.command == "MESSAGE":
                    number = frame.body.decode()
                    given.append(f"g {number} {frame.get('redelivered') == 'true':d}\n")
                    held.append(encode("ACK", {"id": frame.get("ack"), "receipt": number}))
                elif frame.command == "RECEIPT":
                    settled.append(f"a {frame.get('receipt-id')}\n")
                else:
                    raise AssertionError(frame)
            os.write(self.file, "".join(settled + given).encode())
            self.client.send(b"".join(held[:-HELD]))
            held = held[-HELD:]


class KilledConsumers(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="stampede-consumers-")
        self.addCleanup(self.directory.cleanup)
        self.started = 0
        self.running = []
        self.addCleanup(self.end_consumers)

    def start_consumer(self, broker):
        path = os.path.join(self.directory.name, f"{self.started:04}")
        self.started += 1
        self.running.append(subprocess.Popen([sys.executable, "-B", __file__, "consume", str(broker.tcp), path]))

    def end_consumers(self):
        for process in self.running:
            process.kill()
            process.wait()
        self.running = []

    def lines(self):
        """What each consumer wrote, in order. The last line of one that was killed may be cut."""
        for name in sorted(os.listdir(self.directory.name)):
            with open(os.path.join(self.directory.name, name), encoding="ascii") as file:
                for line in file:
                    if line.endswith("\n"):
                        yield name, line.split()

    def test_every_message_is_acknowledged_exactly_once(self):
        with Broker() as broker:
            for _ in range(CONSUMERS):
                self.start_consumer(broker)
            publisher = subprocess.Popen([sys.executable, "-B", __file__, "publish", str(broker.tcp)])
            self.addCleanup(publisher.kill)
            for kill in range(1, KILLS + 1):
                due = kill * MESSAGES // (KILLS + 2)
                wait_until(lambda: broker.tables()["queue_acknowledged"] >= due, f"{due} acknowledgements", WAIT)
                victim = self.running.pop(kill % CONSUMERS)
                victim.send_signal(signal.SIGKILL)
                victim.wait()
                self.start_consumer(broker)
            self.assertEqual(publisher.wait(), 0)
            wait_until(lambda: broker.tables()["queue_acknowledged"] >= MESSAGES, "all acknowledgements", WAIT)
            tables = broker.tables()
            self.assertEqual(tables["queue_acknowledged"], MESSAGES)
            self.assertEqual(tables["queued"] + tables["unsettled"], 0)
            self.assertEqual(tables["queue_dead_rejected"] + tables["queue_dead_delivery_limit"], 0)
            self.end_consumers()
            self.check()

    def check(self):
        given, first, acknowledged = set(), {}, set()
        for name, line in self.lines():
            number = int(line[1])
            if line[0] == "a":
                self.assertNotIn(number, acknowledged, f"{number} has two acknowledgements")
                acknowledged.add(number)
                continue
            given.add(number)
            first.setdefault(number, []).append((name, line[2] == "1"))
        self.assertEqual(given, set(range(MESSAGES)))
        redelivered = 0
        for number, takers in first.items():
            unmarked = [name for name, is_redelivered in takers if not is_redelivered]
            self.assertLessEqual(len(unmarked), 1, f"{number} was given as new to {unmarked}")
            redelivered += len(takers) > 1
        # The kills did hit something.
        self.assertGreater(redelivered, 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["consume"]:
        Consumer(int(sys.argv[2]), sys.argv[3]).run()
    elif sys.argv[1:2] == ["publish"]:
        publish(int(sys.argv[2]))
    else:
        unittest.main()
