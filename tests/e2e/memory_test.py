"""The broker at its limit of memory: publishers wait, readers are served, and it is all over when there is room."""

import os
import socket
import threading
import time
import unittest

from broker import SHARDS, Broker, seconds, wait_until
from operator_pages import ask, metrics, varz
from wire import TcpClient, WsClient, dial, encode, read_http_answer, upgrade_request

MIB = 1024 * 1024
# A sanitizer's memory is resident too, and its allocator rounds otherwise.
IS_PLAIN_BUILD = os.environ.get("STAMPEDE_TEST_SLOWDOWN", "1") == "1"
LIMIT = 128 * MIB


def resident(broker):
    with open(f"/proc/{broker.pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def start(*flags):
    return Broker("--admin", "127.0.0.1:0", "--memory-limit", f"{LIMIT // MIB}M", "--max-frame-size", "4M",
                  "--max-queue-bytes", "1G", *flags)


class Flood(threading.Thread):
    """A publisher that never stops, whatever the broker does, until it is told to."""

    def __init__(self, broker, destination, body):
        super().__init__(daemon=True)
        self.client = TcpClient(broker)
        self.client.connect()
        self.client.sock.setblocking(True)
        self.octets = encode("SEND", {"destination": destination}, body) * max(1, 65536 // len(body))
        self.sent = 0
        self.is_over = threading.Event()

    def run(self):
        try:
            while not self.is_over.is_set():
                self.client.sock.sendall(self.octets)
                self.sent += len(self.octets)
        except OSError:
            pass  # it was stopped, or the broker had enough of it

    def stop(self):
        self.is_over.set()
        self.client.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self.client.close()
        self.join(seconds(10))


class Reading(threading.Thread):
    """A subscriber that takes whatever comes, and does not look at it."""

    def __init__(self, broker, destination, id):
        super().__init__(daemon=True)
        self.client = TcpClient(broker)
        self.client.connect()
        self.client.subscribe(destination, id=id)
        self.client.sock.settimeout(None)
        self.taken = 0
        self.has_ended = False
        self.start()

    def run(self):
        try:
            while octets := self.client.sock.recv(1 << 20):
                self.taken += len(octets)
        except OSError:
            pass
        self.has_ended = True


class Stages(unittest.TestCase):
    def connected(self, broker, transport=TcpClient):
        client = transport(broker)
        self.addCleanup(client.close)
        client.connect()
        return client

    def fill(self, broker, until, body=MIB, destination="/queue/full"):
        """SENDs, each by a client of its own as each may be its last; gives how many."""
        count = 0
        while varz(broker)["memory"]["used"] <= until:
            client = self.connected(broker)
            client.publish(destination, b"x" * body, receipt="r")
            client.expect_receipt("r")
            count += 1
            self.assertLess(count, 2 * LIMIT // body)
        return count

    def test_publishers_wait_and_readers_are_served(self):
        with start() as broker:
            self.assertEqual(varz(broker)["memory"]["limit"], LIMIT)
            flood = Flood(broker, "/queue/full", b"x" * 100_000)
            flood.start()
            wait_until(lambda: ask(broker, "/readyz")[0] == 503, "readyz says 503", 20)
            self.assertEqual(ask(broker, "/readyz?verbose")[1].splitlines()[0], "out of memory")
            self.assertIn("hold_publishers", ask(broker, "/readyz?verbose")[1])
            self.assertEqual(ask(broker, "/livez")[0], 200)
            values = metrics(broker)
            self.assertEqual(values["stampede_memory_stage"], 2)
            self.assertGreater(values["stampede_memory_used_bytes"], LIMIT * 0.8)
            self.assertLess(values["stampede_memory_used_bytes"], LIMIT * 0.9)
            if IS_PLAIN_BUILD:
                self.assertGreater(values['stampede_memory_bytes{kind="messages"}'], LIMIT * 0.5)
                self.assertLess(resident(broker), LIMIT)
            wait_until(lambda: "memory stage=hold_publishers" in broker.stderr(), "a line in the log")
            # Nothing moves, and what others ask for is done.
            received = values["stampede_messages_received_total"]
            reader = self.connected(broker, WsClient)
            reader.subscribe("/topic/x")
            reader.publish("/topic/x", b"still here")
            reader.expect_message(b"still here")
            self.assertLessEqual(metrics(broker)["stampede_messages_received_total"], received + 1)
            # A consumer makes room, and everybody goes on.
            reading = Reading(broker, "/queue/full", "0")
            wait_until(lambda: metrics(broker)["stampede_messages_received_total"] > received + 500,
                       "the publisher goes on", 20)
            wait_until(lambda: ask(broker, "/readyz")[0] == 200, "readyz says 200", 20)
            reader.fence()
            flood.stop()
            wait_until(lambda: metrics(broker)["stampede_memory_stage"] == 0, "calm", 20)
            self.assertFalse(reading.has_ended)
            reading.client.close()

    def test_nobody_is_let_in_above_nine_tenths(self):
        with start() as broker:
            self.fill(broker, LIMIT * 0.80)
            early = [self.connected(broker) for _ in range(16)]
            for client in early:
                if varz(broker)["memory"]["used"] > LIMIT * 0.91:
                    break
                client.publish("/queue/full", b"x" * MIB, receipt="r")
                client.expect_receipt("r")
            self.assertEqual(varz(broker)["memory"]["stage"], "refuse_connections")
            with dial(broker.ws) as sock:
                sock.sendall(upgrade_request(broker))
                answer = read_http_answer(sock)
                self.assertEqual(answer.status, 503)
                self.assertTrue(answer.get("retry-after"))
            wait_until(lambda: "reason=memory limit=--memory-limit" in broker.stderr(), "a line in the log")
            # Those who are in are served: they make room.
            consumer = early[-1]
            consumer.send_frame("SUBSCRIBE", {"id": "1", "destination": "/queue/full", "ack": "auto"})
            consumer.expect_message(timeout=10)
            end = time.monotonic() + seconds(20)
            while varz(broker)["memory"]["stage"] != "calm":
                self.assertLess(time.monotonic(), end)
                consumer.expect_message(timeout=10)
            self.connected(broker, WsClient).fence()

    def test_the_limit_holds_whatever_clients_do(self):
        """Most readers never read, each has a log of its own, and publishers never stop."""
        with start("--slow-consumer-after", "24s", "--slow-consumer-bytes", "8M", "--send-buffer", "32768") as broker:
            stuck = []
            for number in range(160):
                client = TcpClient(broker, receive_buffer=4096)
                self.addCleanup(client.close)
                client.connect()
                client.subscribe("/topic/flood", id=f"stuck-{number}")
                stuck.append(client)
            reading = [Reading(broker, "/topic/flood", f"good-{number}") for number in range(20)]
            floods = [Flood(broker, "/topic/flood", b"f" * 3_000) for _ in range(4)]
            floods.append(Flood(broker, "/queue/full", b"q" * 20_000))
            for flood in floods:
                flood.start()
            most = 0
            stages = set()
            end = time.monotonic() + seconds(6)
            while time.monotonic() < end:
                most = max(most, resident(broker))
                stages.add(varz(broker)["memory"]["stage"])
                time.sleep(0.05)
            if IS_PLAIN_BUILD:
                self.assertLess(most, LIMIT * 1.1)
            self.assertTrue({"hold_publishers", "refuse_connections", "shed_clients"} & stages, stages)
            before = [reader.taken for reader in reading]
            for flood in floods:
                flood.stop()
            self.assertFalse(any(reader.has_ended for reader in reading), "a good reader was ended")
            self.assertGreater(min(before), 0)
            # The end of the load is the end of it: whoever still lags, the queue is what is left.
            consumer = TcpClient(broker)
            self.addCleanup(consumer.close)

            def let_in():
                try:
                    consumer.connect()
                    return True
                except (AssertionError, OSError):
                    consumer.close()
                    consumer.__init__(broker)
                    return False

            wait_until(let_in, "somebody is let in", 10)
            consumer.send_frame("SUBSCRIBE", {"id": "1", "destination": "/queue/full", "ack": "auto"})
            drained = Drain(consumer)
            for client in stuck:
                client.close()
            wait_until(lambda: varz(broker)["memory"]["stage"] == "calm", "calm", 10)
            drained.stop()
            for reader in reading:
                reader.client.close()


class Drain(threading.Thread):
    """Takes what a client is sent."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client = client
        self.client.sock.settimeout(None)
        self.start()

    def run(self):
        try:
            while self.client.sock.recv(1 << 20):
                pass
        except OSError:
            pass

    def stop(self):
        self.client.close()


if __name__ == "__main__":
    unittest.main()
