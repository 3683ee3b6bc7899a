"""SIGTERM with very many clients, under load: they leave one after the other, each with a close code, and no RECEIPT was a lie.

STAMPEDE_DRAIN_CLIENTS   how many hold a connection (default 500); the broker needs a descriptor for each
STAMPEDE_DRAIN_TIME      seconds for --drain-time (default 4)
"""

import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

from broker import Broker, seconds, wait_until
from wire import CLOSE, Closed, TcpClient, WsClient, encode, unique, ws_frame
from connect_stream import HANDSHAKE

CLIENTS = int(os.environ.get("STAMPEDE_DRAIN_CLIENTS", "500"))
DRAIN_TIME = int(os.environ.get("STAMPEDE_DRAIN_TIME", "4"))
SUBSCRIBERS = 12
CLIENTS_OF_A_PROCESS = 8000
CONNECT = encode("CONNECT", {"accept-version": "1.2", "host": "x"})


class Herd:
    """Idle WebSocket clients, each subscribed; notes when each got which close code.

    A process of its own: `drain_herd_test.py --herd PORT COUNT TOPIC` prints a line when all are there, and one with
    {"closes": [[when, code], ...], "failures": [...]} when all have left.
    """

    def __init__(self, port, count, topic):
        self.port = port
        self.count = count
        self.subscribe = encode("SUBSCRIBE", {"id": "0", "destination": topic, "receipt": "s"})
        self.selector = selectors.DefaultSelector()
        self.octets = {}
        self.subscribed = 0
        self.closes = []    # (when, code)
        self.failures = []

    def connect(self):
        opened = 0
        while self.subscribed + len(self.failures) < self.count:
            # Not more at once than the queue of a listening socket takes.
            while opened < self.count and opened - self.subscribed < 200:
                sock = socket.socket()
                # Many more than one address has ports for.
                sock.bind((f"127.0.0.{2 + opened % 5}", 0))
                sock.connect(("127.0.0.1", self.port))
                sock.sendall(HANDSHAKE + ws_frame(1, CONNECT) + ws_frame(1, self.subscribe))
                self.octets[sock] = b""
                self.selector.register(sock, selectors.EVENT_READ)
                opened += 1
            self._look(1.0)

    def _look(self, patience):
        for key, _ in self.selector.select(patience):
            self._read(key.fileobj)

    def _read(self, sock):
        try:
            octets = sock.recv(65536)
        except ConnectionError as error:
            return self._end(sock, repr(error))
        if not octets:
            return self._end(sock, "the end without a close frame")
        held = self.octets[sock] + octets
        if b"receipt-id:s\n" in held:
            self.subscribed += 1
            held = b""
        self.octets[sock] = held
        # A close frame with a code is the last that comes, and has four octets.
        if held[-4:-2] == b"\x88\x02":
            self.closes.append((time.monotonic(), struct.unpack("!H", held[-2:])[0]))
            sock.send(ws_frame(CLOSE, held[-2:]))
            self._end(sock, None)
        return None

    def _end(self, sock, failure):
        if failure is not None:
            self.failures.append(failure)
        self.selector.unregister(sock)
        del self.octets[sock]
        sock.close()

    def run(self):
        self.connect()
        print("there", flush=True)
        while self.octets:
            self._look(1.0)
        print(json.dumps({"closes": self.closes, "failures": self.failures}), flush=True)


class DrainHerd(unittest.TestCase):
    def setUp(self):
        self.broker = Broker("--drain-time", f"{DRAIN_TIME}s", "--drain-rate", "50", "--drain-delay", "0",
                             "--max-connections", str(CLIENTS + 20))
        self.addCleanup(self.broker.kill)
        self.topic = unique()
        self.acknowledged = 0
        self.published = 0

    def publish(self):
        """Publishers that come back when they are told goodbye, until nobody listens any more."""
        while True:
            try:
                with TcpClient(self.broker) as publisher:
                    publisher.connect()
                    while True:
                        number = self.published
                        self.published += 1
                        publisher.publish(self.topic, b"%d" % number, receipt=str(number))
                        frame = publisher.frame(20)
                        if frame.command == "ERROR":
                            break
                        assert frame.get("receipt-id") == str(number), frame
                        self.acknowledged = number + 1
                        self.last_acknowledged = number
                        time.sleep(0.005)
            except ConnectionRefusedError:
                return
            except (OSError, Closed, AssertionError):
                pass

    def listen(self, client, outcome):
        """What a subscriber got: one unbroken piece in order, up to its goodbye."""
        got = []
        try:
            while True:
                frame = client.frame(DRAIN_TIME + 60)
                if frame.command == "ERROR":
                    assert frame.get("message") == "server-draining", frame
                    client.expect_end()
                    break
                got.append(int(frame.body))
        except Closed:
            outcome["code"] = client.got_close_code
        except (AssertionError, OSError) as error:
            outcome["error"] = repr(error)
        finally:
            outcome["got"] = got
            outcome["ended"] = time.monotonic()
            client.close()

    def start_herds(self):
        herds = []
        for first in range(0, CLIENTS, CLIENTS_OF_A_PROCESS):
            count = min(CLIENTS - first, CLIENTS_OF_A_PROCESS)
            command = [sys.executable, "-B", os.path.abspath(__file__), "--herd", str(self.broker.ws), str(count), "/topic/quiet"]
            herds.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            self.addCleanup(herds[-1].stdout.close)
            self.addCleanup(herds[-1].wait)
            self.addCleanup(herds[-1].kill)
        for herd in herds:
            self.assertEqual(herd.stdout.readline(), "there\n")
        return herds

    def test_every_client_is_told_and_no_receipt_was_a_lie(self):
        herds = self.start_herds()
        subscribers = [WsClient(self.broker) if n % 2 else TcpClient(self.broker) for n in range(SUBSCRIBERS)]
        outcomes = [{} for _ in subscribers]
        for client in subscribers:
            client.connect()
            client.subscribe(self.topic)
        threads = [threading.Thread(target=self.listen, args=pair, daemon=True) for pair in zip(subscribers, outcomes)]
        threads.append(threading.Thread(target=self.publish, daemon=True))
        for thread in threads:
            thread.start()
        wait_until(lambda: self.acknowledged > 50, "some load", 20)
        before = self.acknowledged
        begin = time.monotonic()
        self.broker.process.send_signal(signal.SIGTERM)
        code = self.broker.process.wait(seconds(DRAIN_TIME + 10))
        took = time.monotonic() - begin
        reports = [json.loads(herd.stdout.readline()) for herd in herds]
        for thread in threads:
            thread.join(seconds(10))
        print(f"{CLIENTS} clients were told goodbye in {took:.1f} s of {DRAIN_TIME} s; "
              f"{self.acknowledged} receipts, {before} before SIGTERM", flush=True)
        self.assertEqual(code, 0, self.broker.stderr()[-3000:])
        self.assertLessEqual(took, DRAIN_TIME + seconds(1))
        self.assertEqual([failure for report in reports for failure in report["failures"]], [])
        closes = [close for report in reports for close in report["closes"]]
        self.assertEqual([code for _, code in closes], [1012] * CLIENTS)
        self.check_spread([when - begin for when, _ in closes])
        for index, outcome in enumerate(outcomes):
            self.check_subscriber(index, outcome, before)

    def check_spread(self, times):
        """In each fifth of the time in which they left, about as many left."""
        window = min(DRAIN_TIME * 3 / 4, (CLIENTS + SUBSCRIBERS + 1) / 50)
        for fifth in range(5):
            share = sum(fifth <= time / window * 5 < fifth + 1 for time in times) / len(times)
            self.assertGreater(share, 0.2 / 1.5, f"{fifth}: {share}")
            self.assertLess(share, 0.2 * 1.5, f"{fifth}: {share}")

    def check_subscriber(self, index, outcome, before):
        self.assertNotIn("error", outcome, f"subscriber {index}")
        self.assertEqual(outcome.get("code", 1012), 1012)
        got = outcome["got"]
        self.assertEqual(got, sorted(set(got)), "out of order, or twice")
        missing = set(range(before)) - set(got)
        self.assertEqual(missing, set(), f"subscriber {index} lacks what had its RECEIPT before the drain")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--herd"]:
        Herd(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]).run()
    else:
        unittest.main()
