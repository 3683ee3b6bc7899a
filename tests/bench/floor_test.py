"""A floor (bench/floor) loses nothing, doubles nothing and keeps the order, or it would be no yardstick.

Environment: FLOOR_BINARY, a floor server.
"""

import os
import socket
import struct
import subprocess
import unittest

READY = b"\x89\x00"
HELLO, SUBSCRIBE, PUBLISH = 1, 2, 3
DEADLINE_SECONDS = 30


def record(kind, topic=0, payload=b""):
    return struct.pack("<II", len(payload), kind << 24 | topic) + payload


def payload(number, size):
    return struct.pack("<I", number) * (size // 4)


class Floor(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen([os.environ["FLOOR_BINARY"], "--listen", "127.0.0.1:0"],
                                        stdout=subprocess.PIPE, text=True)
        host, _, port = self.process.stdout.readline().split()[-1].rpartition(":")
        self.assertEqual(self.process.stdout.readline(), "ready\n")
        self.address = (host, int(port))
        self.connections = []

    def tearDown(self):
        self.assertIsNone(self.process.poll(), "the floor has ended by itself")
        for connection in self.connections:
            connection.close()
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def connect(self, *topics):
        connection = socket.create_connection(self.address, timeout=DEADLINE_SECONDS)
        self.connections.append(connection)
        connection.sendall(record(HELLO))
        for topic in topics:
            connection.sendall(record(SUBSCRIBE, topic))
        self.expect(connection, READY * (1 + len(topics)))
        return connection

    def expect(self, connection, octets):
        got = bytearray()
        while len(got) < len(octets):
            piece = connection.recv(1 << 20)
            self.assertTrue(piece, f"closed after {len(got)} octets of {len(octets)}")
            got += piece
        self.assertTrue(bytes(got) == octets, "other octets, or another order, than was published")

    def test_every_subscriber_of_a_topic_gets_its_payloads_in_order(self):
        subscribers = [self.connect(topic) for topic in (1, 1, 2, 1, 2)]
        both = self.connect(1, 2)
        publisher = self.connect()
        for number in range(500):
            publisher.sendall(record(PUBLISH, 1, payload(number, 240)))
        publisher.sendall(record(PUBLISH, 3, b"nobody"))
        ones = b"".join(payload(number, 240) for number in range(500))
        for index in (0, 1, 3):
            self.expect(subscribers[index], ones)
        self.expect(both, ones)
        publisher.sendall(record(PUBLISH, 2, b"two"))
        for connection in (subscribers[2], subscribers[4], both):
            self.expect(connection, b"two")

    def test_records_may_be_cut_anywhere(self):
        subscriber = self.connect(7)
        publisher = self.connect()
        publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        octets = b"".join(record(PUBLISH, 7, payload(number, 8)) for number in range(20))
        for index in range(len(octets)):
            publisher.sendall(octets[index:index + 1])
        self.expect(subscriber, b"".join(payload(number, 8) for number in range(20)))

    def test_a_reader_that_stalls_gets_everything_later_and_keeps_nobody_waiting(self):
        stalled = self.connect(1)
        quick = self.connect(1)
        publisher = self.connect()
        messages = [payload(number, 16384) for number in range(1200)]  # 19 MB: more than both sockets hold
        for message in messages:
            publisher.sendall(record(PUBLISH, 1, message))
            self.expect(quick, message)
        self.expect(stalled, b"".join(messages))
        publisher.sendall(record(PUBLISH, 1, b"then"))
        self.expect(stalled, b"then")

    def test_a_payload_larger_than_a_send_arrives_whole(self):
        subscriber = self.connect(1)
        publisher = self.connect()
        publisher.sendall(record(PUBLISH, 1, payload(1, 1_000_000)) + record(PUBLISH, 1, b"next"))
        self.expect(subscriber, payload(1, 1_000_000) + b"next")

    def test_many_publishers_reach_one_subscriber(self):
        subscriber = self.connect(1)
        publishers = [self.connect() for _ in range(300)]
        for number, publisher in enumerate(publishers):
            publisher.sendall(record(PUBLISH, 1, payload(number, 64)))
        got = b""
        while len(got) < 64 * len(publishers):
            got += subscriber.recv(1 << 20)
        pieces = {got[at:at + 64] for at in range(0, len(got), 64)}
        self.assertEqual(pieces, {payload(number, 64) for number in range(len(publishers))})

    def test_what_arrives_while_a_batch_goes_out_is_not_left_lying(self):
        # As many as two system calls take, so that none is left for the next one.
        subscribers = [self.connect(1) for _ in range(512)]
        publishers = [self.connect() for _ in range(8)]
        for number in range(20):
            for publisher in publishers:
                publisher.sendall(record(PUBLISH, 1, payload(number, 240)))
            for subscriber in subscribers:
                self.expect(subscriber, payload(number, 240) * len(publishers))

    def test_those_who_leave_are_forgotten(self):
        staying = self.connect(1)
        publisher = self.connect()
        for number in range(50):
            leaving = self.connect(1)
            # Most are cut off in the middle of what they get.
            publisher.sendall(record(PUBLISH, 1, payload(number, 65536)) * 4)
            leaving.close()
            self.expect(staying, payload(number, 65536) * 4)

    def test_what_no_client_says_ends_the_connection(self):
        staying = self.connect(1)
        hostile = self.connect(1)
        hostile.sendall(record(9))
        self.assertEqual(hostile.recv(1), b"")
        self.connect().sendall(record(PUBLISH, 1, b"after"))
        self.expect(staying, b"after")


if __name__ == "__main__":
    unittest.main()
