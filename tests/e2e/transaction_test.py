"""Transactions, line by line: A9 of STOMP's conformance, and what other lines say of them.

Each test is named after its line, over TCP and over WebSocket alike.
"""

import unittest

from broker import Broker
from stomp_case import QueueCase, StompCase
from wire import TcpClient, WsClient, encode, unique

limited = None
full = None

TRANSACTIONS = 2
FRAMES = 3
BYTES = 4096


def setUpModule():
    global limited, full
    StompCase.broker = Broker()
    limited = Broker("--max-transactions", str(TRANSACTIONS), "--max-transaction-frames", str(FRAMES),
                     "--max-transaction-bytes", str(BYTES))
    full = Broker("--max-queue-messages", "3", "--queue-full-wait", "0")


def tearDownModule():
    try:
        StompCase.broker.stop()
    finally:
        limited.stop()
        full.stop()


class TransactionOverTcp(QueueCase):
    transport = TcpClient

    def begin(self, client, *names):
        for name in names:
            client.send_frame("BEGIN", {"transaction": name})

    def end(self, client, command, name="t"):
        """COMMIT or ABORT, and its RECEIPT is the next frame."""
        client.send_frame(command, {"transaction": name, "receipt": command})
        client.expect_receipt(command)

    # -- A9.1 - A9.3 Names

    def test_A9_1_transaction_is_required(self):
        for version in ("1.0", "1.1", "1.2"):
            for command in (b"BEGIN", b"COMMIT", b"ABORT"):
                with self.subTest(version=version, command=command):
                    self.refused(command + b"\nreceipt:r\n\n\0", "missing-transaction", version, receipt="r")

    def test_A9_2_begin_of_a_live_name(self):
        client = self.session()
        client.send(b"BEGIN\ntransaction:t\nreceipt:1\n\n\0BEGIN\ntransaction:u\nreceipt:2\n\n\0"
                    b"BEGIN\ntransaction:t\nreceipt:3\n\n\0")
        self.answers(client, b"RECEIPT\nreceipt-id:1\n\n\0", b"RECEIPT\nreceipt-id:2\n\n\0")
        client.expect_error("duplicate-transaction", receipt="3")

    def test_A9_2_a_name_belongs_to_a_connection(self):
        to = unique()
        subscriber, first, second = self.subscriber(to), self.session(), self.session()
        for client in (first, second):
            self.begin(client, "t")
        first.publish(to, b"first", transaction="t")
        second.publish(to, b"second", transaction="t")
        self.end(second, "ABORT")
        self.end(first, "COMMIT")
        subscriber.expect_message(b"first")
        subscriber.fence()

    def test_A9_2_a_finished_name_may_be_begun_again(self):
        to = unique()
        subscriber, client = self.subscriber(to), self.session()
        for number, command in enumerate(("COMMIT", "ABORT", "COMMIT")):
            self.begin(client, "t")
            client.publish(to, b"%d" % number, transaction="t")
            self.end(client, command)
        self.receive(subscriber, b"0", b"2")

    def test_A9_3_an_unknown_name(self):
        for command in (b"COMMIT", b"ABORT"):
            with self.subTest(command=command):
                self.refused(command + b"\ntransaction:never\nreceipt:r\n\n\0", "unknown-transaction", receipt="r")
                client = self.session()
                self.begin(client, "t")
                self.end(client, "COMMIT")
                client.send(command + b"\ntransaction:t\nreceipt:again\n\n\0")
                client.expect_error("unknown-transaction", receipt="again")

    def test_A6_3_send_and_ack_with_an_unknown_name(self):
        client = self.session()
        self.begin(client, "t")
        client.publish(unique(), b"x", transaction="u", receipt="r")
        client.expect_error("unknown-transaction", receipt="r")
        for command in ("ACK", "NACK"):
            client = self.consumer(self.queue(b"0"))
            self.settle(client, command, client.expect_message(b"0"), transaction="never", receipt="r")
            client.expect_error("unknown-transaction", receipt="r")

    # -- A9.4, A9.5 SENDs

    def test_A9_4_nothing_before_commit_and_all_in_order_after(self):
        to = unique()
        subscriber, client = self.subscriber(to), self.session()
        self.begin(client, "t")
        for number in range(50):
            client.publish(to, b"%d" % number, transaction="t")
        client.publish(to, b"outside")  # A9.5: not delayed by the open transaction
        subscriber.expect_message(b"outside")
        self.end(client, "COMMIT")
        self.receive(subscriber, *(b"%d" % number for number in range(50)))

    def test_A9_4_a_commit_reaches_queues_and_topics(self):
        names = [unique("/queue/q"), unique(), unique("/queue/q"), unique()]
        subscribers = [self.subscriber(name) for name in names if name.startswith("/topic/")]
        client = self.session()
        self.begin(client, "t")
        for number in range(12):
            client.publish(names[number % 4], b"%d" % number, transaction="t")
        self.end(client, "COMMIT")
        self.assert_holds(names[0], b"0", b"4", b"8")
        self.receive(subscribers[0], b"1", b"5", b"9")
        self.assert_holds(names[2], b"2", b"6", b"10")
        self.receive(subscribers[1], b"3", b"7", b"11")

    def test_A9_4_a_commit_that_has_no_room_does_nothing_at_all(self):
        name, other, to = unique("/queue/q"), unique("/queue/q"), unique()
        subscriber, client = self.session(on=full), self.session(on=full)
        subscriber.subscribe(to)
        for body in (b"0", b"1"):
            client.publish(name, body)
        self.begin(client, "t")
        for where, body in ((to, b"published"), (other, b"queued"), (name, b"2"), (name, b"3")):
            client.publish(where, body, transaction="t")
        client.send_frame("COMMIT", {"transaction": "t", "receipt": "r"})
        client.expect_error("queue-full", 1008, receipt="r")
        subscriber.publish(to, b"after")
        subscriber.expect_message(b"after")
        for where, bodies in ((name, (b"0", b"1", b"after")), (other, (b"after",))):
            subscriber.publish(where, b"after")
            self.receive(self.consumer(where, on=full), *bodies)

    def test_A9_4_abort_drops_them(self):
        name, to = unique("/queue/q"), unique()
        subscriber, client = self.subscriber(to), self.session()
        self.begin(client, "t")
        for where in (name, to):
            client.publish(where, b"dropped", transaction="t")
        self.end(client, "ABORT")
        self.assert_holds(name)
        client.publish(to, b"sent")
        subscriber.expect_message(b"sent")

    def test_A9_4_two_transactions_do_not_mix(self):
        to = unique()
        subscriber, client = self.subscriber(to), self.session()
        self.begin(client, "t", "u")
        for number in range(4):
            client.publish(to, b"%d" % number, transaction="tu"[number % 2])
        self.end(client, "COMMIT", "u")
        self.receive(subscriber, b"1", b"3")
        self.end(client, "COMMIT", "t")
        self.receive(subscriber, b"0", b"2")

    def test_A9_4_the_message_has_no_transaction_header(self):
        to = unique()
        subscriber, client = self.subscriber(to), self.session()
        self.begin(client, "t")
        client.publish(to, b"\0x\0", transaction="t", content_length=3, colour="red", message_id=to)
        self.end(client, "COMMIT")
        message = subscriber.expect_message(b"\0x\0")
        self.assertEqual([header for header, _ in message.headers],
                         ["subscription", "message-id", "destination", "colour", "content-length"])
        self.assertEqual(message.get("message-id"), to)

    def test_A9_4_an_empty_transaction(self):
        client = self.session()
        for command in ("COMMIT", "ABORT"):
            self.begin(client, "t")
            self.end(client, command)

    def test_A9_5_sends_outside_are_not_delayed(self):
        to = unique()
        subscriber, client = self.subscriber(to), self.session()
        self.begin(client, "t")
        client.publish(to, b"inside", transaction="t")
        client.publish(to, b"outside", receipt="r")
        client.expect_receipt("r")
        subscriber.expect_message(b"outside")
        self.end(client, "COMMIT")
        subscriber.expect_message(b"inside")

    # -- A9.6 The end of a connection aborts

    def test_A9_6_a_connection_that_ends_aborts(self):
        def disconnect(client):
            client.send_frame("DISCONNECT", {"receipt": "bye"})
            client.expect_receipt("bye")
            client.expect_end()

        for way in (disconnect, self.lose):
            with self.subTest(way=way.__name__):
                to, name = unique(), self.queue(b"0")
                subscriber, client = self.subscriber(to), self.consumer(name)
                self.begin(client, "t")
                client.publish(to, b"dropped", transaction="t")
                client.publish(name, b"dropped", transaction="t")
                self.settle(client, "ACK", client.expect_message(b"0"), transaction="t")
                client.fence()
                way(client)
                self.assert_redelivered(*self.assert_holds(name, b"0"))
                subscriber.publish(to, b"kept")
                subscriber.expect_message(b"kept")

    # -- A8.9 ACK and NACK in a transaction

    def test_A8_9_an_ack_takes_effect_at_commit(self):
        for version in ("1.0", "1.1", "1.2"):
            with self.subTest(version=version):
                name = self.queue(b"0", b"1")
                client = self.consumer(name, version=version)
                messages = self.receive(client, b"0", b"1")
                self.begin(client, "t")
                self.ack(client, messages[0], transaction="t")
                self.end(client, "COMMIT")
                self.lose(client)
                self.assert_holds(name, b"1")

    def test_A8_9_an_ack_gives_no_credit_before_commit(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name, prefetch_count="1")
        self.begin(client, "t")
        self.ack(client, client.expect_message(b"0"), transaction="t")
        client.fence()
        client.send_frame("COMMIT", {"transaction": "t"})
        client.expect_message(b"1")

    def test_A8_9_a_nack_takes_effect_at_commit(self):
        name = self.queue(b"0", b"1")
        client = self.consumer(name)
        messages = self.receive(client, b"0", b"1")
        self.begin(client, "t")
        self.settle(client, "NACK", messages[0], transaction="t")
        self.settle(client, "NACK", messages[1], transaction="t", requeue="false")
        client.fence()
        client.send_frame("COMMIT", {"transaction": "t"})
        self.assert_redelivered(client.expect_message(b"0"))
        self.assert_holds("/queue/dlq." + name.split("/")[-1], b"1")

    def test_A8_9_an_ack_is_undone_by_abort(self):
        for mode in ("client", "client-individual"):
            with self.subTest(mode=mode):
                name = self.queue(b"0", b"1")
                client = self.consumer(name, mode)
                messages = self.receive(client, b"0", b"1")
                self.begin(client, "t")
                self.ack(client, messages[1], transaction="t")
                self.end(client, "ABORT")
                self.ack(client, messages[0])  # neither is settled
                self.ack(client, messages[1])
                self.lose(client)
                self.assert_holds(name)

    def test_A8_9_a_nack_is_undone_by_abort(self):
        name = self.queue(b"0")
        client = self.consumer(name)
        message = client.expect_message(b"0")
        self.begin(client, "t")
        self.settle(client, "NACK", message, transaction="t")
        self.end(client, "ABORT")
        self.ack(client, message)
        self.lose(client)
        self.assert_holds(name)

    def test_A8_9_a_cumulative_ack_in_a_transaction(self):
        name = self.queue(b"0", b"1", b"2")
        client = self.consumer(name, "client")
        messages = self.receive(client, b"0", b"1", b"2")
        self.begin(client, "t")
        self.ack(client, messages[1], transaction="t")
        self.end(client, "COMMIT")
        self.lose(client)
        self.assert_holds(name, b"2")

    def test_A8_9_taken_from_one_queue_and_put_into_another(self):
        """What transactions are for: the message is in exactly one of them, whichever way it ends."""
        for command in ("COMMIT", "ABORT"):
            with self.subTest(command=command):
                source, target = self.queue(b"0"), unique("/queue/q")
                client = self.consumer(source)
                message = client.expect_message(b"0")
                self.begin(client, "t")
                client.publish(target, message.body, transaction="t")
                self.ack(client, message, transaction="t")
                self.end(client, command)
                self.lose(client)
                self.assert_holds(source, *([b"0"] if command == "ABORT" else []))
                self.assert_holds(target, *([b"0"] if command == "COMMIT" else []))

    # -- A9.7 Limits

    def test_A9_7_transactions(self):
        client = self.session(on=limited)
        self.begin(client, "a", "b")
        self.end(client, "ABORT", "a")
        self.begin(client, "c")
        client.fence()
        client.send_frame("BEGIN", {"transaction": "d", "receipt": "r"})
        error = client.expect_error("too-many-transactions", 1008, receipt="r")
        self.assertIn(b"--max-transactions", error.body)

    def test_A9_7_frames_of_a_transaction(self):
        to = unique()
        client = self.session(on=limited)
        client.subscribe(to)
        for round in range(2):
            self.begin(client, "t")
            for number in range(FRAMES):
                client.publish(to, b"%d" % number, transaction="t")
            client.send_frame("COMMIT", {"transaction": "t", "receipt": "committed"})
            frames = [client.frame() for _ in range(FRAMES + 1)]
            self.assertEqual([frame.body for frame in frames if frame.command == "MESSAGE"],
                             [b"%d" % number for number in range(FRAMES)])
        self.begin(client, "t")
        for _ in range(FRAMES):
            client.publish(to, b"x", transaction="t")
        client.publish(to, b"x", transaction="t", receipt="r")
        error = client.expect_error("too-many-transactions", 1008, receipt="r")
        self.assertIn(b"--max-transaction-frames", error.body)

    def test_A9_7_acks_are_frames_of_a_transaction_too(self):
        to = unique()
        client = self.consumer(to, on=limited)
        for number in range(FRAMES + 1):
            client.publish(to, b"%d" % number)
        messages = self.receive(client, *(b"%d" % number for number in range(FRAMES + 1)))
        self.begin(client, "t")
        for message in messages[:FRAMES]:
            self.ack(client, message, transaction="t")
        self.settle(client, "ACK", messages[FRAMES], transaction="t", receipt="r")
        client.expect_error("too-many-transactions", 1008, receipt="r")

    def test_A9_7_octets_of_a_transaction(self):
        client = self.session(on=limited)
        self.begin(client, "t", "u")
        client.publish(unique(), b"x" * (BYTES - 1000), transaction="t", receipt="fits")
        client.expect_receipt("fits")
        client.publish(unique(), b"x" * (BYTES - 1000), transaction="u", receipt="another")
        client.expect_receipt("another")
        client.publish(unique(), b"x" * 1001, transaction="t", receipt="r")
        error = client.expect_error("frame-too-large", 1009, receipt="r")
        self.assertIn(b"--max-transaction-bytes", error.body)

    # -- A9.8, A9.9

    def test_A9_8_subscribe_and_unsubscribe_are_not_undone(self):
        to = unique()
        client = self.session()
        self.begin(client, "t")
        client.subscribe(to, "kept", transaction="t")
        client.subscribe(to, "gone", transaction="t")
        client.send_frame("UNSUBSCRIBE", {"id": "gone", "transaction": "t", "receipt": "u"})
        client.expect_receipt("u")
        self.end(client, "ABORT")
        client.publish(to, b"x")
        self.assertEqual(client.expect_message(b"x").get("subscription"), "kept")
        client.fence()

    def test_A9_9_the_receipt_of_a_send_says_received(self):
        to = unique()
        client = self.session()
        client.send(b"BEGIN\ntransaction:t\nreceipt:1\n\n\0" +
                    encode("SEND", {"destination": to, "transaction": "t", "receipt": "2"}, b"x") +
                    encode("SEND", {"destination": to, "receipt": "3"}, b"y"))
        self.answers(client, *(b"RECEIPT\nreceipt-id:%d\n\n\0" % number for number in (1, 2, 3)))
        self.end(client, "ABORT")

    def test_A9_9_the_receipt_of_a_commit_says_done(self):
        """Whoever sends after it, on whatever connection, comes behind the whole transaction everywhere."""
        names = [unique("/topic/done") for _ in range(8)]
        subscribers = [self.subscriber(name) for name in names]
        client, other = self.session(), self.session()
        for round in range(20):
            self.begin(client, "t")
            for name in names:
                client.publish(name, b"first", transaction="t")
            self.end(client, "COMMIT")
            for name in names:
                other.publish(name, b"second")
            for subscriber in subscribers:
                self.receive(subscriber, b"first", b"second")

    def test_A10_1_receipts_of_begin_commit_and_abort(self):
        client = self.session()
        client.send(b"BEGIN\ntransaction:t\\c1\nreceipt:1\n\n\0COMMIT\ntransaction:t\\c1\nreceipt:2\n\n\0"
                    b"BEGIN\ntransaction:t\\c1\nreceipt:3\n\n\0ABORT\ntransaction:t\\c1\nreceipt:4\n\n\0")
        self.answers(client, *(b"RECEIPT\nreceipt-id:%d\n\n\0" % number for number in (1, 2, 3, 4)))


class TransactionOverWebSocket(TransactionOverTcp):
    transport = WsClient


if __name__ == "__main__":
    unittest.main()
