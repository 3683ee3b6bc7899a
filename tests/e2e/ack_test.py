"""Acknowledgements on queues, line by line: A8 of STOMP's conformance, and what other lines say of queues.

Each test is named after its line, over TCP and over WebSocket alike.
"""

import unittest

from broker import Broker
from stomp_case import QueueCase, StompCase
from wire import TcpClient, WsClient, encode, unique

quick_beats = None

CLIENT_MODES = ("client", "client-individual")
VERSIONS = ("1.0", "1.1", "1.2")


def setUpModule():
    global quick_beats
    StompCase.broker = Broker()
    quick_beats = Broker("--heart-beat", "300ms,300ms", "--heart-beat-min", "100ms")


def tearDownModule():
    try:
        StompCase.broker.stop()
    finally:
        quick_beats.stop()


class AckOverTcp(QueueCase):
    transport = TcpClient

    # -- What a queue is

    def test_messages_wait_without_a_consumer_and_keep_their_order(self):
        name = self.queue(*(b"%d" % n for n in range(50)))
        for message in self.assert_holds(name, *(b"%d" % n for n in range(50))):
            self.assert_first_delivery(message)

    def test_each_message_has_one_consumer_in_turn(self):
        name = unique("/queue/q")
        consumers = [self.waiting_consumer(name) for _ in range(2)]
        self.fill(name, *(b"%d" % n for n in range(10)))
        got = [[int(client.expect_message().body) for _ in range(5)] for client in consumers]
        self.assertEqual([sorted(part) for part in got], got)
        self.assertEqual(sorted(got[0] + got[1]), list(range(10)))

    def test_a_queue_and_a_topic_of_one_name_are_two(self):
        name = self.queue(b"queued")
        topic = "/topic/" + name.split("/")[-1]
        subscriber = self.subscriber(topic)
        subscriber.publish(topic, b"published")
        subscriber.expect_message(b"published")
        self.assert_holds(name, b"queued")

    # -- Credit

    def test_prefetch_is_how_many_may_be_unacknowledged(self):
        for header in ({"prefetch-count": "3"}, {"activemq.prefetchSize": "3"}, {"credit": "3"},
                       {"credit": "3,100000"}):
            with self.subTest(header=header):
                name = self.queue(*(b"%d" % n for n in range(8)))
                few = self.consumer(name, **header)
                messages = self.receive(few, b"0", b"1", b"2")
                many = self.consumer(name)
                self.receive(many, b"3", b"4", b"5", b"6", b"7")
                many.close()
                self.settle(few, "ACK", messages[1])
                few.expect_message(b"3")  # one more, now that there is credit and the other one has left

    def test_a_window_counts_octets(self):
        for header in ({"consumer-window-size": "2500"}, {"credit": "100,2500"}):
            with self.subTest(header=header):
                name = self.queue(*(b"%d" % n + b"x" * 999 for n in range(8)))
                few = self.consumer(name, **header)
                few.expect_message(b"0" + b"x" * 999)
                few.expect_message(b"1" + b"x" * 999)
                many = self.consumer(name)
                first = int(many.expect_message().body[:1])
                self.assertIn(first, (2, 3))
                for number in range(first + 1, 8):
                    many.expect_message(b"%d" % number + b"x" * 999)

    def test_a_thousand_messages_are_the_credit_of_who_names_none(self):
        for mode in CLIENT_MODES:
            with self.subTest(mode=mode):
                name = self.queue(*(b"%d" % n for n in range(1010)))
                self.receive(self.consumer(name, mode), *(b"%d" % n for n in range(1000)))
                self.receive(self.consumer(name, mode), *(b"%d" % n for n in range(1000, 1010)))

    def test_a_consumer_without_credit_is_passed_over(self):
        name = unique("/queue/q")
        one, many = self.waiting_consumer(name, prefetch_count="1"), self.waiting_consumer(name)
        self.fill(name, *(b"%d" % n for n in range(10)))
        mine = int(one.expect_message().body)
        self.assertIn(mine, (0, 1))
        self.receive(many, *(b"%d" % n for n in range(10) if n != mine))

    # -- A7 of queues

    def test_A7_9_what_was_in_flight_goes_to_others_and_a_late_ack_breaks_nothing(self):
        for mode in CLIENT_MODES:
            for version in ("1.1", "1.2"):
                with self.subTest(mode=mode, version=version):
                    name = self.queue(b"0", b"1")
                    client = self.consumer(name, mode, version)
                    messages = self.receive(client, b"0", b"1")
                    self.unsubscribe(client)
                    self.ack(client, messages[0])
                    self.settle(client, "NACK", messages[1], receipt="nacked")
                    client.expect_receipt("nacked")
                    client.fence()
                    for message in self.assert_holds(name, b"0", b"1"):
                        self.assert_redelivered(message)

    def test_A7_9_a_late_ack_does_not_count_for_the_next_subscription(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name)
        late = self.receive(client, b"0", b"1")
        self.unsubscribe(client)
        self.consume(client, name)
        again = self.receive(client, b"0", b"1")
        self.assertEqual(len({message.get("ack") for message in late + again}), 4)
        self.ack(client, late[0])
        self.ack(client, again[1])
        self.lose(client)
        self.assert_redelivered(*self.assert_holds(name, b"0"), 3)

    def test_A7_9_unsubscribe_gives_messages_back_in_order(self):
        name = self.queue(*(b"%d" % n for n in range(6)))
        client = self.consumer(name, prefetch_count="4")
        messages = self.receive(client, b"0", b"1", b"2", b"3")
        self.settle(client, "ACK", messages[1])
        client.expect_message(b"4")
        self.unsubscribe(client)
        self.consume(client, name, "auto", "again")
        got = self.receive(client, b"0", b"2", b"3", b"4", b"5")
        for message in got[:4]:
            self.assert_redelivered(message)
        self.assert_first_delivery(got[4])

    def test_A7_7_unsubscribe_by_destination_in_1_0(self):
        name = self.queue(b"0")
        client = self.session("1.0")
        client.send_frame("SUBSCRIBE", {"destination": name, "ack": "client"})
        self.assertIsNone(client.expect_message(b"0").get("subscription"))
        client.send_frame("UNSUBSCRIBE", {"destination": name, "receipt": "gone"})
        client.expect_receipt("gone")
        self.assert_holds(name, b"0")

    # -- A8.1 auto

    def test_A8_1_auto_needs_no_ack(self):
        for fields in ({"ack": "auto"}, {}):
            with self.subTest(fields=fields):
                name = self.queue(b"0", b"1")
                client = self.session()
                client.send_frame("SUBSCRIBE", {"id": "0", "destination": name, **fields})
                for message in self.receive(client, b"0", b"1"):
                    self.assertEqual(message.all("ack"), [])
                self.lose(client)
                self.assert_holds(name)

    def test_A8_1_an_ack_for_auto_is_unknown(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                client = self.consumer(self.queue(b"0"), "auto", version)
                message = client.expect_message(b"0")
                name = "id" if version == "1.2" else "message-id"
                client.send_frame("ACK", {name: message.get("message-id"), "receipt": "r"})
                client.expect_error("unknown-ack", receipt="r")

    # -- A8.2 What names a delivery

    def test_A8_2_ack_of_1_0_goes_by_message_id(self):
        for extra in ({}, {"subscription": "0"}):
            with self.subTest(extra=extra):
                name = self.queue(b"0", b"1")
                client = self.consumer(name, "client", "1.0")
                messages = self.receive(client, b"0", b"1")
                client.send(encode("ACK", {"message-id": messages[0].get("message-id"), "receipt": "r", **extra}))
                self.answers(client, b"RECEIPT\nreceipt-id:r\n\n\0")
                self.lose(client)
                self.assert_holds(name, b"1")

    def test_A8_2_ack_of_1_1_goes_by_message_id_and_subscription(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name, version="1.1")
        messages = self.receive(client, b"0", b"1")
        client.send(encode("ACK", {"message-id": messages[0].get("message-id"), "subscription": "0", "receipt": "r"}))
        self.answers(client, b"RECEIPT\nreceipt-id:r\n\n\0")
        self.lose(client)
        self.assert_holds(name, b"1")

    def test_A8_2_ack_of_1_1_without_subscription_finds_the_message(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name, version="1.1")
        messages = self.receive(client, b"0", b"1")
        client.send(encode("ACK", {"message-id": messages[1].get("message-id"), "receipt": "r"}))
        self.answers(client, b"RECEIPT\nreceipt-id:r\n\n\0")
        self.lose(client)
        self.assert_holds(name, b"0")

    def test_A8_2_ack_of_1_1_with_another_subscription_is_unknown(self):
        name = self.queue(b"0")
        client = self.consumer(name, version="1.1")
        message = client.expect_message(b"0")
        client.send_frame("ACK", {"message-id": message.get("message-id"), "subscription": "nobody", "receipt": "r"})
        client.expect_error("unknown-ack", receipt="r")

    def test_A8_2_ack_of_1_2_goes_by_the_ack_header(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name)
        messages = self.receive(client, b"0", b"1")
        client.send(b"ACK\nid:" + messages[0].get("ack").encode() + b"\nreceipt:r\n\n\0")
        self.answers(client, b"RECEIPT\nreceipt-id:r\n\n\0")
        self.lose(client)
        self.assert_holds(name, b"1")

    # -- A8.3 The ack header and message-ids

    def test_A8_3_a_message_on_the_wire(self):
        name = self.queue(b"body")
        message = self.consumer(name).expect_message()
        self.assertEqual(sorted(header for header, _ in message.headers),
                         ["ack", "content-length", "destination", "message-id", "subscription"])
        self.assertEqual((message.get("subscription"), message.get("destination")), ("0", name))
        self.assertTrue(message.raw.startswith(b"MESSAGE\n") and message.raw.endswith(b"\n\nbody\0"))

    def test_A8_3_ack_header_of_1_2(self):
        for mode, count in (("auto", 0), ("client", 1), ("client-individual", 1)):
            with self.subTest(mode=mode):
                message = self.consumer(self.queue(b"0"), mode).expect_message(b"0")
                self.assertEqual(len(message.all("ack")), count)

    def test_A8_3_no_two_messages_and_no_two_deliveries_share_an_id(self):
        name, topic = unique("/queue/q"), unique()
        client = self.session()
        self.consume(client, name, id="queue")
        self.consume(client, topic, id="topic")
        self.consume(client, topic, "client", id="topic again")
        for _ in range(20):
            client.publish(name, b"x")
            client.publish(topic, b"x")
        messages = [client.expect_message(b"x") for _ in range(60)]
        self.assertEqual(len({message.get("message-id") for message in messages}), 40)
        self.assertEqual(len({message.get("ack") for message in messages}), 60)

    # -- A8.4, A8.5 How far an ACK reaches

    def test_A8_4_client_is_cumulative(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                name = self.queue(b"0", b"1", b"2", b"3", b"4")
                client = self.consumer(name, "client", version)
                messages = self.receive(client, b"0", b"1", b"2", b"3", b"4")
                self.ack(client, messages[2])
                self.lose(client)
                self.assert_holds(name, b"3", b"4")

    def test_A8_4_client_is_cumulative_within_its_subscription(self):
        left, right = self.queue(b"l0", b"l1"), self.queue(b"r0", b"r1")
        client = self.consumer(left, "client", id="left")
        messages = self.receive(client, b"l0", b"l1")
        self.consume(client, right, "client", "right")
        messages += self.receive(client, b"r0", b"r1")
        self.ack(client, messages[3])  # l0 and l1 were sent before it
        self.lose(client)
        self.assert_holds(left, b"l0", b"l1")
        self.assert_holds(right)

    def test_A8_4_what_an_ack_covered_is_settled(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name, "client")
        messages = self.receive(client, b"0", b"1")
        self.ack(client, messages[1])
        self.settle(client, "ACK", messages[0], receipt="r")
        client.expect_error("unknown-ack", receipt="r")

    def test_A8_4_a_cumulative_ack_gives_all_its_credit_back(self):
        name = self.queue(b"0", b"1", b"2", b"3")
        client = self.consumer(name, "client", prefetch_count="2")
        messages = self.receive(client, b"0", b"1")
        self.settle(client, "ACK", messages[1])
        self.receive(client, b"2", b"3")

    def test_A8_5_client_individual_touches_one_message(self):
        for version in VERSIONS:  # 1.0 does not know the mode, and gets it all the same
            with self.subTest(version=version):
                name = self.queue(b"0", b"1", b"2")
                client = self.consumer(name, version=version)
                messages = self.receive(client, b"0", b"1", b"2")
                self.ack(client, messages[1])
                self.lose(client)
                self.assert_holds(name, b"0", b"2")

    # -- A8.6, A8.7 NACK

    def test_A8_6_nack_is_no_command_of_1_0(self):
        name = self.queue(b"0")
        client = self.consumer(name, version="1.0")
        self.settle(client, "NACK", client.expect_message(b"0"), receipt="r")
        client.expect_error("unknown-command", receipt="r")

    def test_A8_6_nack_requeues_and_counts_deliveries(self):
        for version in ("1.1", "1.2"):
            with self.subTest(version=version):
                name = self.queue(b"0")
                client = self.consumer(name, version=version)
                message = client.expect_message(b"0")
                self.assert_first_delivery(message)
                for count in (2, 3, 4):
                    self.settle(client, "NACK", message)
                    message = client.expect_message(b"0")
                    self.assert_redelivered(message, count)
                self.ack(client, message)
                self.lose(client)
                self.assert_holds(name)

    def test_A8_6_nack_takes_one_message_in_client_individual(self):
        name = self.queue(b"0", b"1", b"2")
        client = self.consumer(name)
        messages = self.receive(client, b"0", b"1", b"2")
        self.settle(client, "NACK", messages[1])
        self.assert_redelivered(client.expect_message(b"1"))
        self.ack(client, messages[0])
        self.ack(client, messages[2])

    def test_A8_6_a_nacked_message_comes_before_those_behind_it(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name, prefetch_count="1")
        self.settle(client, "NACK", client.expect_message(b"0"))
        message = client.expect_message(b"0")
        self.assert_redelivered(message)
        self.settle(client, "ACK", message)
        self.assert_first_delivery(client.expect_message(b"1"))

    def test_A8_7_nack_in_client_mode_covers_all_before_it(self):
        for version in ("1.1", "1.2"):
            with self.subTest(version=version):
                name = self.queue(b"0", b"1", b"2", b"3")
                client = self.consumer(name, "client", version)
                messages = self.receive(client, b"0", b"1", b"2", b"3")
                self.settle(client, "NACK", messages[2])
                for message in self.receive(client, b"0", b"1", b"2"):
                    self.assert_redelivered(message)
                self.ack(client, messages[3])

    def test_A8_7_a_dead_letter_says_where_it_is_from(self):
        name = unique("/queue/q")
        client = self.consumer(name)
        client.send_frame("SEND", [("destination", name), ("colour", "red"), ("content-length", "4")], b"ba\0d")
        self.settle(client, "NACK", client.expect_message(b"ba\0d"), requeue="false", receipt="rejected")
        client.expect_receipt("rejected")
        dead = "/queue/dlq." + name.split("/")[-1]
        letter = self.consumer(dead).expect_message(b"ba\0d")
        self.assertEqual(letter.get("destination"), dead)
        self.assertEqual(letter.get("dead-letter-reason"), "rejected")
        self.assertEqual(letter.get("original-destination"), name)
        self.assertEqual(letter.get("colour"), "red")
        self.lose(client)
        self.assert_holds(name)

    def test_A8_7_nack_with_requeue_true_is_a_plain_nack(self):
        name = self.queue(b"0")
        client = self.consumer(name)
        self.settle(client, "NACK", client.expect_message(b"0"), requeue="true")
        self.assert_redelivered(client.expect_message(b"0"))

    # -- A8.8 Lost connections

    def test_A8_8_unacknowledged_messages_of_a_lost_connection_go_to_another(self):
        for mode in CLIENT_MODES:
            with self.subTest(mode=mode):
                name = self.queue(b"0", b"1", b"2")
                client = self.consumer(name, mode)
                messages = self.receive(client, b"0", b"1", b"2")
                self.ack(client, messages[0])
                self.lose(client)
                for message in self.assert_holds(name, b"1", b"2"):
                    self.assert_redelivered(message)

    def test_A8_8_after_a_reset_too(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name)
        self.receive(client, b"0", b"1")
        client.reset()
        self.assert_holds(name, b"0", b"1")

    def test_A8_8_after_disconnect_too(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name)
        self.receive(client, b"0", b"1")
        client.send_frame("DISCONNECT", {"receipt": "bye"})
        client.expect_receipt("bye")
        client.expect_end()
        for message in self.assert_holds(name, b"0", b"1"):
            self.assert_redelivered(message)

    def test_A8_8_after_an_error_too(self):
        name = self.queue(b"0")
        client = self.consumer(name)
        client.expect_message(b"0")
        client.send(b"NONSENSE\n\n\0")
        client.expect_error("unknown-command")
        self.assert_redelivered(*self.assert_holds(name, b"0"))

    def test_A8_8_to_a_consumer_that_waits_already(self):
        name = self.queue(b"0")
        lost = self.consumer(name)
        lost.expect_message(b"0")
        waiting = self.waiting_consumer(name)
        self.lose(lost)
        self.assert_redelivered(waiting.expect_message(b"0"))

    def test_A5_7_a_dead_client_frees_what_it_did_not_acknowledge(self):
        name = unique("/queue/q")
        dead = self.session(on=quick_beats, heart_beat="1000,0")
        self.consume(dead, name)
        dead.publish(name, b"0")
        dead.expect_message(b"0")
        waiting = self.consumer(name, on=quick_beats)
        self.assert_redelivered(waiting.expect_message(b"0", timeout=10))  # the other one is silent

    # -- A8.10 - A8.12

    def test_A8_10_unknown_and_settled_ids(self):
        for command in ("ACK", "NACK"):
            for version in ("1.1", "1.2"):
                with self.subTest(command=command, version=version):
                    id = {"1.1": "message-id:never\nsubscription:0", "1.2": "id:never"}[version]
                    self.refused(f"{command}\n{id}\nreceipt:r\n\n\0".encode(), "unknown-ack", version, receipt="r")
                    client = self.consumer(self.queue(b"0"), version=version)
                    message = client.expect_message(b"0")
                    self.ack(client, message)
                    self.settle(client, command, message, receipt="again")
                    client.expect_error("unknown-ack", receipt="again")

    def test_A8_10_the_id_of_another_connection_is_unknown(self):
        client, stranger = self.consumer(self.queue(b"0")), self.session()
        message = client.expect_message(b"0")
        self.settle(stranger, "ACK", message, receipt="r")
        stranger.expect_error("unknown-ack", receipt="r")
        self.ack(client, message)

    def test_A8_10_a_missing_header(self):
        for version, frames in (("1.0", (b"ACK\nreceipt:r\n\n\0", b"ACK\nid:1\nreceipt:r\n\n\0")),
                                ("1.1", (b"ACK\nreceipt:r\n\n\0", b"NACK\nreceipt:r\n\n\0",
                                         b"ACK\nid:1\nsubscription:0\nreceipt:r\n\n\0")),
                                ("1.2", (b"ACK\nreceipt:r\n\n\0", b"NACK\nreceipt:r\n\n\0",
                                         b"ACK\nmessage-id:1\nsubscription:0\nreceipt:r\n\n\0"))):
            for frame in frames:
                with self.subTest(version=version, frame=frame):
                    self.refused(frame, "missing-id", version, receipt="r")

    def test_A8_11_ack_values_need_no_escape(self):
        for name in (unique("/queue/q"), unique("/queue/odd\\c \\\\ ")):
            client = self.consumer(name, id="a\\cb")
            client.publish(name, b"0")
            self.assertRegex(client.expect_message(b"0").get("ack"), r"^[0-9A-Za-z_.-]+$")

    def test_A8_11_message_ids_survive_escaping(self):
        for version, escaped in (("1.0", "m:1\\2-"), ("1.1", "m\\c1\\\\2-")):
            with self.subTest(version=version):
                name, message_id = unique("/queue/q"), unique(escaped)
                client = self.consumer(name, version=version)
                client.publish(name, b"0", message_id=message_id)
                message = client.expect_message(b"0")
                self.assertEqual(message.get("message-id"), message_id)
                self.ack(client, message)
                self.lose(client)
                self.assert_holds(name)

    def test_A8_11_a_message_id_that_a_version_cannot_express(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                to = unique("/queue/q")
                client = self.consumer(to, version=version)
                self.session().publish(to, b"0", message_id="m\\r1\\n" + to)
                self.ack(client, client.expect_message(b"0"))

    def test_A8_12_subscription_on_an_ack_of_1_2_is_ignored(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name)
        for message, subscription in zip(self.receive(client, b"0", b"1"), ("0", "nobody")):
            self.ack(client, message, subscription=subscription)
        self.lose(client)
        self.assert_holds(name)

    # -- A10 and A6 of queues

    def test_A10_1_receipts_of_ack_and_nack(self):
        client = self.consumer(self.queue(b"0", b"1"))
        messages = self.receive(client, b"0", b"1")
        client.send(b"ACK\nid:%s\nreceipt:a\\cb\n\n\0NACK\nid:%s\nrequeue:false\nreceipt:n\n\n\0"
                    % tuple(message.get("ack").encode() for message in messages))
        self.answers(client, b"RECEIPT\nreceipt-id:a\\cb\n\n\0", b"RECEIPT\nreceipt-id:n\n\n\0")

    def test_A6_6_a_sender_cannot_forge_a_redelivery(self):
        name = unique("/queue/q")
        client = self.consumer(name)
        client.send_frame("SEND", [("destination", name), ("redelivered", "true"), ("delivery-count", "7"),
                                   ("ack", "forged"), ("subscription", "forged")], b"x")
        message = client.expect_message(b"x")
        self.assert_first_delivery(message)
        self.assertEqual(len(message.all("ack")), 1)
        self.assertEqual(message.all("subscription"), ["0"])
        self.settle(client, "NACK", message)
        self.assert_redelivered(client.expect_message(b"x"))


class AckOverWebSocket(AckOverTcp):
    transport = WsClient


if __name__ == "__main__":
    unittest.main()
