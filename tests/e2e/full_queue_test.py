"""Publishers that are faster than a queue's consumers: they wait, in turn, and nothing is refused or lost."""

import json
import unittest

from broker import Broker, wait_until
from operator_pages import ask, metrics
from wire import TcpClient, WsClient

ROOM = 20
MESSAGES = 300  # of each publisher
BODY = 2_000
PUBLISHERS = 4


class FullQueue(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker("--admin", "127.0.0.1:0", "--max-queue-messages", str(ROOM), "--send-buffer", "32768")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def connected(self, transport=TcpClient):
        client = transport(self.broker)
        self.addCleanup(client.close)
        client.connect()
        return client

    def consumer(self, name, **headers):
        client = self.connected()
        client.subscribe(name, ack="client-individual", **headers)
        return client

    def held_out(self, name):
        queues = json.loads(ask(self.broker, "/destz")[1])["queues"]
        return next(queue["held_out"] for queue in queues if queue["destination"] == name)

    def test_publishers_are_slowed_down_and_take_turns(self):
        consumer = self.consumer("/queue/busy", **{"prefetch-count": "1"})
        publishers = [self.connected(WsClient if number % 2 else TcpClient) for number in range(PUBLISHERS)]
        for number, publisher in enumerate(publishers):
            # Far more than the queue has room for, and what the kernel does not hold waits here.
            for message in range(MESSAGES):
                publisher.publish("/queue/busy", f"{number}:{message}:".encode().ljust(BODY), receipt=f"{message}")
        wait_until(lambda: metrics(self.broker)["stampede_queue_applicants"] >= PUBLISHERS, "all to wait")
        self.assertGreaterEqual(self.held_out("/queue/busy"), PUBLISHERS)
        # Others are not slowed down.
        other = self.connected(WsClient)
        other.subscribe("/topic/other")
        other.publish("/topic/other", b"x")
        other.expect_message(b"x")
        self.assertLess(metrics(self.broker)["stampede_messages_received_total"], PUBLISHERS * MESSAGES / 2,
                        "they are not read from")

        next_of = [0] * PUBLISHERS
        begun = None
        for taken in range(PUBLISHERS * MESSAGES):
            message = consumer.expect_message()
            number, which = (int(part) for part in message.body.split(b":")[:2])
            self.assertEqual(which, next_of[number], "in each publisher's order")
            next_of[number] += 1
            # One may have filled the queue before the others came, and some may end before others.
            if taken == 2 * ROOM:
                begun = list(next_of)
            elif taken == MESSAGES:
                share = (MESSAGES - 2 * ROOM) / PUBLISHERS
                for publisher in range(PUBLISHERS):
                    self.assertGreater(next_of[publisher] - begun[publisher], share / 2, "each has its turn")
            consumer.send_frame("ACK", {"id": message.get("ack")})
        for publisher in publishers:
            for message in range(MESSAGES):
                publisher.expect_receipt(f"{message}")
        self.assertEqual(metrics(self.broker)["stampede_queue_refused_total"], 0)
        wait_until(lambda: metrics(self.broker)["stampede_queue_applicants"] == 0, "nobody to wait")

    def test_a_receipt_of_disconnect_is_true(self):
        publisher = self.connected()
        for message in range(ROOM + 1):
            publisher.publish("/queue/parting", b"%d" % message)
        publisher.send_frame("DISCONNECT", {"receipt": "bye"})
        wait_until(lambda: metrics(self.broker)["stampede_queue_applicants"] == 1, "the last one waits")
        consumer = self.consumer("/queue/parting")
        for message in range(ROOM + 1):
            received = consumer.expect_message(b"%d" % message)
            consumer.send_frame("ACK", {"id": received.get("ack")})
        publisher.expect_receipt("bye")
        publisher.expect_end()


if __name__ == "__main__":
    unittest.main()
