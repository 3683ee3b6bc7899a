"""Last values, history and resuming, with stomp.py over TCP in the three versions."""

import unittest

import stomp

from broker import Broker
from stomp_py_test import Recorder
from wire import unique

broker = None


def setUpModule():
    global broker
    broker = Broker("--history", "/topic/kept/#=10")


def tearDownModule():
    broker.stop()


class Reader(Recorder):
    """Keeps the headers of receipts, too."""

    def __init__(self):
        super().__init__()
        self.answers = {}

    def on_receipt(self, frame):
        self.answers[frame.headers["receipt-id"]] = frame.headers
        super().on_receipt(frame)

    def bodies(self, count):
        self.wait(lambda: len(self.messages) >= count, f"{count} messages")
        return [frame.body for frame in self.messages]


class RecallCase:
    CONNECTION = None

    def connected(self):
        connection = self.CONNECTION([("127.0.0.1", broker.tcp)])
        reader = Reader()
        connection.set_listener("reader", reader)
        connection.connect("user", "secret", wait=True)
        self.addCleanup(connection.transport.disconnect_socket)
        return connection, reader

    def subscribed(self, destination, **headers):
        connection, reader = self.connected()
        connection.subscribe(destination, id="1", receipt="s", headers={"include-position": "true", **headers})
        reader.wait(lambda: "s" in reader.answers, "the receipt of SUBSCRIBE")
        return connection, reader, reader.answers["s"]

    def publish(self, destination, bodies, **headers):
        connection, reader = self.connected()
        for body in bodies:
            connection.send(destination, str(body), headers={**headers, "receipt": f"p{body}"})
        reader.wait(lambda: len(reader.answers) == len(bodies), "the receipts of SEND")
        connection.disconnect()

    @staticmethod
    def texts(first, last):
        return [str(n) for n in range(first, last + 1)]

    def test_the_last_value_comes_first(self):
        to = unique("/topic/value/")
        self.publish(to, [1], retain="set")
        self.publish(to, [2])
        by_name = self.subscribed(to)[1]
        by_pattern = self.subscribed(to + "/#")[1]
        self.publish(to, [3])
        self.assertEqual(by_name.bodies(2), ["1", "3"])
        self.assertEqual(by_pattern.bodies(2), ["1", "3"])
        self.publish(to, [4], retain="remove")
        self.assertEqual(by_name.bodies(3), ["1", "3", "4"])
        later = self.subscribed(to)[1]
        self.publish(to, [5])
        self.assertEqual(later.bodies(1), ["5"])

    def lost_after_five(self, to):
        """The headers with which a client goes on that saw five messages when it lost its connection."""
        connection, reader, _ = self.subscribed(to)
        self.publish(to, range(1, 6))
        self.assertEqual(reader.bodies(5), self.texts(1, 5))
        last = reader.messages[-1].headers
        connection.transport.disconnect_socket()
        return {"from-seq": int(last["seq"]) + 1, "from-epoch": last["epoch"]}

    def test_resumes_after_a_lost_connection(self):
        to = unique("/topic/kept/")
        after = self.lost_after_five(to)
        self.publish(to, range(6, 16))
        _, resumed, answer = self.subscribed(to, **after)
        self.publish(to, [16])
        self.assertEqual(answer["recovered"], "true")
        self.assertEqual(resumed.bodies(11), self.texts(6, 16))

    def test_is_told_if_the_history_is_too_short(self):
        to = unique("/topic/kept/")
        after = self.lost_after_five(to)
        self.publish(to, range(6, 17))
        _, resumed, answer = self.subscribed(to, **after)
        self.publish(to, [17])
        self.assertEqual(answer["recovered"], "false")
        self.assertEqual(answer["epoch"], after["from-epoch"])
        self.assertEqual(resumed.bodies(11), self.texts(7, 17))

    def test_resumes_though_nothing_came_before_the_connection_was_lost(self):
        to = unique("/topic/kept/")
        self.publish(to, [1, 2])
        connection, _, began = self.subscribed(to)
        self.assertEqual(began["seq"], "2")
        connection.transport.disconnect_socket()
        self.publish(to, [3])
        _, resumed, answer = self.subscribed(to, **{"from-seq": int(began["seq"]) + 1, "from-epoch": began["epoch"]})
        self.assertEqual(answer["recovered"], "true")
        self.assertEqual(resumed.bodies(1), ["3"])


class Recall10(RecallCase, unittest.TestCase):
    CONNECTION = stomp.StompConnection10


class Recall11(RecallCase, unittest.TestCase):
    CONNECTION = stomp.StompConnection11


class Recall12(RecallCase, unittest.TestCase):
    CONNECTION = stomp.StompConnection12


if __name__ == "__main__":
    unittest.main()
