"""Acknowledgements on topics, line by line: A8 of STOMP's conformance.

A topic keeps nothing, so an ACK shows in two ways: its RECEIPT, and the credit that lets the next message come.
"""

import unittest

from broker import Broker
from stomp_case import QueueCase, StompCase
from wire import TcpClient, WsClient, encode, unique

CLIENT_MODES = ("client", "client-individual")
VERSIONS = ("1.0", "1.1", "1.2")


def setUpModule():
    StompCase.broker = Broker()


def tearDownModule():
    StompCase.broker.stop()


class TopicAckOverTcp(QueueCase):
    transport = TcpClient

    def topic(self, count, ack="client-individual", version="1.2", **headers):
        """A subscriber, and so many messages on their way to it: their bodies are 0, 1, ..."""
        to = unique()
        client = self.consumer(to, ack, version, **headers)
        for number in range(count):
            client.publish(to, b"%d" % number)
        return client

    # -- Credit

    def test_credit_stops_one_subscription_and_no_other(self):
        for mode in CLIENT_MODES:
            with self.subTest(mode=mode):
                to = unique()
                client = self.consumer(to, mode, id="few", prefetch_count="2")
                self.consume(client, to, "auto", "all")
                for number in range(5):
                    client.publish(to, b"%d" % number)
                got = {"few": [], "all": []}
                while len(got["all"]) < 5 or len(got["few"]) < 2:
                    message = client.expect_message()
                    got[message.get("subscription")].append(message)
                client.fence()  # and no third one in between
                self.assertEqual([message.body for message in got["few"]], [b"0", b"1"])
                self.settle(client, "ACK", got["few"][1])
                self.assertEqual(client.expect_message(b"2").get("subscription"), "few")

    def test_credit_has_many_names(self):
        for header in ({"prefetch-count": "2"}, {"activemq.prefetchSize": "2"}, {"credit": "2"},
                       {"credit": "2,100000"}):
            with self.subTest(header=header):
                client = self.topic(4, **header)
                messages = self.receive(client, b"0", b"1")
                client.fence()
                self.settle(client, "ACK", messages[0])
                client.expect_message(b"2")

    def test_a_window_counts_octets(self):
        for header in ({"consumer-window-size": "2500"}, {"credit": "100,2500"}):
            with self.subTest(header=header):
                to, bodies = unique(), [b"%d" % number + b"x" * 999 for number in range(4)]
                client = self.consumer(to, **header)
                for body in bodies:
                    client.publish(to, body)
                client.publish(unique(), receipt="sent")
                got = []
                while (frame := client.frame()).command == "MESSAGE":
                    got.append(frame)
                self.assertLessEqual(len(got), 3)
                got += [client.expect_message() for _ in range(2 - len(got))]
                for message in got:
                    self.settle(client, "ACK", message)
                got += [client.expect_message() for _ in range(4 - len(got))]
                self.assertEqual([message.body for message in got], bodies)

    # -- A7.9, A8.1, A8.2

    def test_A7_9_a_late_ack_on_a_topic_is_ignored(self):
        for mode in CLIENT_MODES:
            for version in ("1.1", "1.2"):
                with self.subTest(mode=mode, version=version):
                    client = self.topic(2, mode, version)
                    messages = self.receive(client, b"0", b"1")
                    self.unsubscribe(client)
                    self.ack(client, messages[0])
                    self.settle(client, "NACK", messages[1], receipt="nacked")
                    client.expect_receipt("nacked")
                    client.fence()

    def test_A8_1_an_ack_for_auto_on_a_topic_is_unknown(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                client = self.topic(1, "auto", version)
                message = client.expect_message(b"0")
                name = "id" if version == "1.2" else "message-id"
                client.send_frame("ACK", {name: message.get("message-id"), "receipt": "r"})
                client.expect_error("unknown-ack", receipt="r")

    def test_A8_2_what_names_a_delivery_of_a_topic(self):
        for version, names in (("1.0", (("message-id",), ("message-id", "subscription"))),
                               ("1.1", (("message-id",), ("message-id", "subscription"))),
                               ("1.2", (("ack",),))):
            for headers in names:
                with self.subTest(version=version, headers=headers):
                    client = self.topic(2, version=version, prefetch_count="1")
                    message = client.expect_message(b"0")
                    client.send(encode("ACK", [("id" if header == "ack" else header, message.get(header))
                                               for header in headers]))
                    client.expect_message(b"1")

    def test_A8_2_one_message_of_two_subscriptions_is_acknowledged_twice(self):
        to = unique()
        client = self.session("1.1")
        for id in ("a", "b"):
            self.consume(client, to, "client", id)
        client.publish(to, b"x")
        messages = {message.get("subscription"): message for message in self.receive(client, b"x", b"x")}
        self.assertEqual(messages["a"].get("message-id"), messages["b"].get("message-id"))
        self.ack(client, messages["b"])
        self.ack(client, messages["a"])
        self.settle(client, "ACK", messages["b"], receipt="r")
        client.expect_error("unknown-ack", receipt="r")

    # -- A8.3 - A8.8

    def test_A8_3_ack_header_on_a_topic(self):
        for mode, count in (("auto", 0), ("client", 1), ("client-individual", 1)):
            with self.subTest(mode=mode):
                self.assertEqual(len(self.topic(1, mode).expect_message(b"0").all("ack")), count)

    def test_A8_3_no_two_deliveries_of_a_topic_share_an_ack(self):
        to = unique()
        client = self.session()
        for id, mode in (("a", "client"), ("b", "client"), ("c", "client-individual")):
            self.consume(client, to, mode, id)
        for _ in range(20):
            client.publish(to, b"x")
        messages = [client.expect_message(b"x") for _ in range(60)]
        self.assertEqual(len({message.get("message-id") for message in messages}), 20)
        self.assertEqual(len({message.get("ack") for message in messages}), 60)

    def test_A8_4_client_is_cumulative_on_a_topic(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                client = self.topic(6, "client", version, prefetch_count="3")
                messages = self.receive(client, b"0", b"1", b"2")
                self.settle(client, "ACK", messages[1])
                self.receive(client, b"3", b"4")
                client.fence()
                self.settle(client, "ACK", messages[0], receipt="r")
                client.expect_error("unknown-ack", receipt="r")

    def test_A8_4_cumulative_within_its_subscription_on_topics(self):
        left, right = unique(), unique()
        client = self.consumer(left, "client", id="left", prefetch_count="1")
        self.consume(client, right, "client", "right", prefetch_count="1")
        sender = self.session()
        for number in range(2):
            sender.publish(left, b"left %d" % number)
        first = client.expect_message(b"left 0")
        sender.publish(right, b"right")
        self.ack(client, client.expect_message(b"right"))
        client.fence()  # the other subscription has no credit yet
        self.settle(client, "ACK", first)
        client.expect_message(b"left 1")

    def test_A8_5_client_individual_touches_one_message_of_a_topic(self):
        client = self.topic(4, prefetch_count="2")
        messages = self.receive(client, b"0", b"1")
        self.settle(client, "ACK", messages[1])
        client.expect_message(b"2")
        client.fence()
        self.settle(client, "ACK", messages[0])
        client.expect_message(b"3")

    def test_A8_6_nack_is_no_command_of_1_0_on_a_topic(self):
        client = self.topic(1, version="1.0")
        self.settle(client, "NACK", client.expect_message(b"0"), receipt="r")
        client.expect_error("unknown-command", receipt="r")

    def test_A8_7_nack_on_a_topic_settles(self):
        for version in ("1.1", "1.2"):
            with self.subTest(version=version):
                client = self.topic(5, "client", version, prefetch_count="2")
                messages = self.receive(client, b"0", b"1")
                self.settle(client, "NACK", messages[1])
                messages = self.receive(client, b"2", b"3")
                for message in messages:
                    self.assert_first_delivery(message)
                self.settle(client, "NACK", messages[0], requeue="false")
                client.expect_message(b"4")
                client.fence()

    def test_A8_8_unacknowledged_messages_of_a_topic_are_gone_with_the_connection(self):
        to = unique()
        client = self.consumer(to)
        client.publish(to, b"0")
        client.expect_message(b"0")
        self.lose(client)
        client = self.subscriber(to)
        client.publish(to, b"1")
        client.expect_message(b"1")

    # -- A8.10 - A8.12, A10

    def test_A8_10_unknown_ids_on_a_topic(self):
        for command in ("ACK", "NACK"):
            for version in ("1.1", "1.2"):
                with self.subTest(command=command, version=version):
                    client = self.topic(1, version=version)
                    message = client.expect_message(b"0")
                    self.ack(client, message)
                    self.settle(client, command, message, receipt="again")
                    client.expect_error("unknown-ack", receipt="again")

    def test_A8_10_any_text_may_be_an_unknown_id(self):
        for id in (b"", b"x", b"-1", b"0", b"99999999999999999999999", b"1-1", b"a\\cb", "ż".encode(), b"x" * 4000):
            with self.subTest(id=id[:30]):
                client = self.topic(1)
                client.expect_message(b"0")
                client.send(b"ACK\nid:" + id + b"\nreceipt:r\n\n\0")
                client.expect_error("unknown-ack", receipt="r")

    def test_A8_10_a_missing_header(self):
        for version, frames in (("1.0", (b"ACK\nreceipt:r\n\n\0", b"ACK\nid:1\nreceipt:r\n\n\0")),
                                ("1.1", (b"ACK\nreceipt:r\n\n\0", b"NACK\nreceipt:r\n\n\0",
                                         b"ACK\nid:1\nsubscription:0\nreceipt:r\n\n\0")),
                                ("1.2", (b"ACK\nreceipt:r\n\n\0", b"NACK\nreceipt:r\n\n\0",
                                         b"ACK\nmessage-id:1\nsubscription:0\nreceipt:r\n\n\0"))):
            for frame in frames:
                with self.subTest(version=version, frame=frame):
                    self.refused(frame, "missing-id", version, receipt="r")

    def test_A8_11_ack_values_need_no_escape_on_a_topic(self):
        to = unique("/topic/odd\\c \\\\ ")
        client = self.consumer(to, id="a\\cb")
        client.publish(to, b"0")
        message = client.expect_message(b"0")
        self.assertRegex(message.get("ack"), r"^[0-9A-Za-z_.-]+$")
        self.ack(client, message)

    def test_A8_11_message_ids_survive_escaping_on_a_topic(self):
        for version, escaped in (("1.0", "m:1\\2-"), ("1.1", "m\\c1\\\\2-")):
            with self.subTest(version=version):
                to, message_id = unique(), unique(escaped)
                client = self.consumer(to, version=version)
                client.publish(to, b"0", message_id=message_id)
                message = client.expect_message(b"0")
                self.assertEqual(message.get("message-id"), message_id)
                self.ack(client, message)

    def test_A8_11_a_message_id_that_a_version_cannot_express_on_a_topic(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                to = unique()
                client = self.consumer(to, version=version)
                self.session().publish(to, b"0", message_id="m\\r1\\n" + to)
                self.ack(client, client.expect_message(b"0"))

    def test_A8_12_subscription_on_an_ack_of_1_2_is_ignored_on_a_topic(self):
        client = self.topic(2)
        for message, subscription in zip(self.receive(client, b"0", b"1"), ("0", "nobody")):
            self.ack(client, message, subscription=subscription)

    def test_A10_1_receipts_of_ack_and_nack_on_a_topic(self):
        client = self.topic(2)
        client.send(b"ACK\nid:%s\nreceipt:a\\cb\n\n\0NACK\nid:%s\nreceipt:n\n\n\0"
                    % tuple(message.get("ack").encode() for message in self.receive(client, b"0", b"1")))
        self.answers(client, b"RECEIPT\nreceipt-id:a\\cb\n\n\0", b"RECEIPT\nreceipt-id:n\n\n\0")


class TopicAckOverWebSocket(TopicAckOverTcp):
    transport = WsClient


if __name__ == "__main__":
    unittest.main()
