"""Hostile clients, while a hundred others exchange messages in the same broker without a stall."""

import asyncio
import random
import socket
import threading
import time
import unittest

from broker import Broker, SLOWDOWN, seconds, wait_until
from wire import BINARY, TEXT, Closed, TcpClient, WsClient, dial, encode, upgrade_request, ws_frame

broker = None
crowd = None

CROWD = 100
ROOMS = 10
STALL_MAX = 2.0


class Crowd:
    """A hundred TCP clients in ten rooms; each says something every half second and hears its whole room.

    Every message carries its number, so that a loss, a double or a delay shows.
    """

    def __init__(self, port):
        self.port = port
        self.longest = 0.0
        self.heard = 0
        self.failure = None
        self.stopping = threading.Event()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True)
        self.thread.start()
        if not self.ready.wait(seconds(20)):
            raise AssertionError(f"the crowd did not come together: {self.failure}")

    async def run(self):
        try:
            members = [asyncio.create_task(self.member(number)) for number in range(CROWD)]
            done, pending = set(), set(members)
            while pending and not done and not self.stopping.is_set():
                done, pending = await asyncio.wait(pending, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            for task in done:
                task.result()
        except Exception as error:
            self.failure = self.failure or error

    async def member(self, number):
        room = f"/topic/room.{number % ROOMS}"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(encode("CONNECT", {"accept-version": "1.2", "host": "localhost"}) +
                     encode("SUBSCRIBE", {"id": "room", "destination": room, "receipt": "in"}))
        for expected in (b"CONNECTED\n", b"RECEIPT\n"):
            frame = await reader.readuntil(b"\0")
            assert frame.startswith(expected), frame
        self.gathered = getattr(self, "gathered", 0) + 1
        while self.gathered < CROWD:
            await asyncio.sleep(0.01)
        self.ready.set()

        async def talk():
            said = 0
            await asyncio.sleep(number / CROWD * 0.5)
            while not self.stopping.is_set():
                writer.write(encode("SEND", {"destination": room}, b"%d %d %.6f" % (number, said, time.monotonic())))
                said += 1
                await asyncio.sleep(0.5)

        talker = asyncio.create_task(talk())
        try:
            last, expected = time.monotonic(), {}
            while not self.stopping.is_set():
                frame = await asyncio.wait_for(reader.readuntil(b"\0"), seconds(30))
                if not frame.startswith(b"MESSAGE\n"):
                    raise AssertionError(f"member {number} got {frame!r}")
                now = time.monotonic()
                speaker, said, at = frame[:-1].rsplit(b"\n\n", 1)[1].split()
                previous = expected.get(speaker)
                if previous is not None and int(said) != previous + 1:
                    raise AssertionError(f"member {number} heard {said} of {speaker} after {previous}")
                expected[speaker] = int(said)
                self.heard += 1
                self.longest = max(self.longest, now - float(at), now - last)
                last = now
        finally:
            talker.cancel()
            writer.close()

    def check(self):
        """No member was cut off, and none waited too long since the last check."""
        if self.failure is not None:
            raise AssertionError(f"the crowd was hurt: {self.failure}")
        longest, self.longest = self.longest, 0.0
        if longest > STALL_MAX * SLOWDOWN:
            raise AssertionError(f"the crowd stalled for {longest:.2f} s")

    def stop(self):
        self.stopping.set()
        self.thread.join(seconds(40))


def setUpModule():
    global broker, crowd
    broker = Broker("--http-timeout", "500ms", "--connect-timeout", "700ms", "--slow-consumer-bytes", "1048576",
                    "--slow-consumer-after", "2s", "--send-buffer", "65536")
    crowd = Crowd(broker.tcp)


def tearDownModule():
    crowd.stop()
    broker.stop()


class Hostile(unittest.TestCase):
    def tearDown(self):
        self.assertTrue(broker.is_running(), broker.stderr()[-3000:])
        heard = crowd.heard
        wait_until(lambda: crowd.heard > heard + 50 or crowd.failure, "the crowd goes on")
        crowd.check()

    def ended(self, sock, within):
        """The broker ends this connection, with or without words."""
        start = time.monotonic()
        sock.settimeout(within)
        octets = b""
        try:
            while more := sock.recv(65536):
                octets += more
        except ConnectionError:
            pass
        self.assertLess(time.monotonic() - start, within)
        return octets

    def test_half_a_handshake_and_stop(self):
        for octets in (b"", b"G", b"GET /stomp HTTP/1.1\r\nHost: x\r\n", upgrade_request(broker)[:-1]):
            with self.subTest(octets=octets), dial(broker.ws) as sock:
                sock.sendall(octets)
                self.ended(sock, 0.5 + seconds(1.5))

    def test_half_a_connect_and_stop(self):
        for octets in (b"", b"C", b"CONNECT\naccept-version:1.2\nho", b"CONNECT\naccept-version:1.2\n\n"):
            with self.subTest(octets=octets), TcpClient(broker) as client:
                client.send(octets)
                client.expect_error("connect-timeout", 1008)

    def test_half_a_websocket_frame_and_stop(self):
        whole = ws_frame(TEXT, encode("CONNECT", {"accept-version": "1.2", "host": "x"}))
        for cut in (1, 2, 5, 6, 20, len(whole) - 1):
            with self.subTest(cut=cut), WsClient(broker) as client:
                client.send_raw(whole[:cut])
                client.expect_error("connect-timeout", 1008)

    def drip(self, sock, octets, until):
        """An octet every 100 ms; gives the seconds until the broker had enough of it."""
        start = time.monotonic()
        sock.settimeout(0.1)
        for octet in octets:
            try:
                sock.sendall(bytes([octet]))
                if not sock.recv(4096):
                    break
            except socket.timeout:
                pass
            except ConnectionError:
                break
            if time.monotonic() - start > until:
                self.fail("an octet at a time keeps the connection open for ever")
        return time.monotonic() - start

    def test_handshake_drop_by_drop(self):
        with dial(broker.ws) as sock:
            self.drip(sock, upgrade_request(broker) * 10, 0.5 + seconds(2))

    def test_connect_drop_by_drop(self):
        with TcpClient(broker) as client:
            self.drip(client.sock, b"CONNECT\n" + b"a:b\n" * 100, 0.7 + seconds(2.5))

    def test_end_of_lines_are_no_connect(self):
        with TcpClient(broker) as client:
            self.drip(client.sock, b"\n" * 1000, 0.7 + seconds(2.5))

    def test_many_half_open_frames_stay_within_the_limit(self):
        """Two hundred clients hold half a frame each: nothing is kept by its declared length."""
        def resident():
            with open(f"/proc/{broker.pid}/status", encoding="ascii") as file:
                return int(next(line for line in file if line.startswith("VmRSS")).split()[1]) * 1024
        before = resident()
        clients = []
        try:
            for _ in range(200):
                client = TcpClient(broker)
                clients.append(client)
                client.connect()
                client.send(b"SEND\ndestination:/topic/x\ncontent-length:262000\n\n" + b"x" * 1000)
            clients[0].sock.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                clients[0].sock.recv(1)
            if SLOWDOWN == 1:
                self.assertLess(resident() - before, 20 * 1024 * 1024)
        finally:
            for client in clients:
                client.close()

    def test_a_gigabyte_declared(self):
        for transport in (TcpClient, WsClient):
            for length in (b"1073741824", b"4294967295", b"9223372036854775807"):
                with transport(broker) as client:
                    client.connect()
                    start = time.monotonic()
                    client.send(b"SEND\ndestination:/topic/x\ncontent-length:" + length + b"\n\n")
                    client.expect_error("frame-too-large", 1009)
                    self.assertLess(time.monotonic() - start, seconds(1))

    def test_a_gigabyte_in_a_websocket_header(self):
        with WsClient(broker) as client:
            client.connect()
            client.send_raw(ws_frame(BINARY, b"", length=1 << 30))
            client.expect_error("frame-too-large", 1009)

    def test_ten_thousand_headers(self):
        for transport in (TcpClient, WsClient):
            with transport(broker) as client:
                client.connect()
                try:
                    client.send(b"SEND\ndestination:/topic/x\n" + b"a:b\n" * 10_000 + b"\n\0")
                except OSError:
                    pass
                client.expect_error(("too-many-headers", "header-too-long"), 1009)

    def test_an_endless_body_without_a_length(self):
        with TcpClient(broker) as client:
            client.connect()
            client.send(b"SEND\ndestination:/topic/x\n\n")
            try:
                for _ in range(1000):
                    client.send(b"x" * 10_000)
            except (OSError, TimeoutError):
                pass
            try:
                client.expect_error("frame-too-large", 1009)
            except Closed:
                pass  # a reset: we wrote on behind the ERROR for longer than it lingers

    def test_unmasked_frames(self):
        for _ in range(50):
            with WsClient(broker) as client:
                client.send_raw(ws_frame(TEXT, encode("CONNECT", {"accept-version": "1.2", "host": "x"}), mask=None))
                self.assertEqual(client.expect_end(), 1002)

    def test_bad_utf8(self):
        for _ in range(50):
            with WsClient(broker) as client:
                client.connect()
                client.send_raw(ws_frame(TEXT, b"SEND\ndestination:/topic/x\n\n\xc3\x28\0"))
                self.assertEqual(client.expect_end(), 1007)

    def test_random_garbage(self):
        """Any octets, before and behind each handshake; a fixed seed, so that a failure comes again."""
        dice = random.Random(20240607)
        for round in range(150):
            garbage = dice.randbytes(dice.randrange(1, 3000))
            kind = round % 5
            with self.subTest(round=round):
                if kind == 0:
                    client = dial(broker.ws)
                elif kind == 1:
                    client = dial(broker.tcp)
                else:
                    session = WsClient(broker) if kind != 4 else TcpClient(broker)
                    if kind != 2:
                        session.connect()
                    client = session.sock
                with client:
                    try:
                        client.sendall(garbage)
                    except OSError:
                        pass
                    # Some garbage is a legal half of something: leave without waiting for an answer.
                    if dice.random() < 0.5:
                        client.shutdown(socket.SHUT_WR)
                        self.ended(client, seconds(5))

    def test_spoiled_frames(self):
        """Right conversations with a few octets changed."""
        dice = random.Random(7)
        base = (encode("CONNECT", {"accept-version": "1.2", "host": "x"}) +
                encode("SUBSCRIBE", {"id": "0", "destination": "/topic/spoiled.#", "receipt": "r"}) +
                encode("SEND", {"destination": "/topic/spoiled.1", "content-length": "5"}, b"hello") * 5 +
                encode("UNSUBSCRIBE", {"id": "0"}) + encode("DISCONNECT", {"receipt": "bye"}))
        for round in range(200):
            octets = bytearray(base)
            for _ in range(dice.randrange(1, 4)):
                octets[dice.randrange(len(octets))] = dice.randrange(256)
            if round % 2:
                client = TcpClient(broker)
                client.send(bytes(octets))
            else:
                client = WsClient(broker)
                client.send_raw(ws_frame(BINARY, bytes(octets)))
            with client:
                client.sock.shutdown(socket.SHUT_WR)
                self.ended(client.sock, seconds(6))

    def test_connects_that_vanish_at_once(self):
        for number in range(300):
            sock = dial(broker.ws if number % 2 else broker.tcp)
            if number % 3 == 0:
                sock.sendall(upgrade_request(broker))
            sock.close()

    def test_a_reader_that_stops(self):
        """It is gone within its bound; while it is stuck nobody else waits."""
        for transport in (TcpClient, WsClient):
            with self.subTest(transport=transport.transport):
                stuck = transport(broker, receive_buffer=4096)
                stuck.connect()
                stuck.subscribe("/topic/stuck")
                with TcpClient(broker) as sender:
                    sender.connect()
                    subscriptions = broker.tables()["subscriptions"]
                    sent = 0
                    while broker.tables()["subscriptions"] == subscriptions:
                        self.assertLess(sent, 64 * 1024 * 1024, "the stuck reader is still subscribed")
                        for _ in range(20):
                            sender.publish("/topic/stuck", b"s" * 10_000)
                            sent += 10_000
                        sender.fence()
                stuck.close()

    def test_a_reader_that_stops_though_little_is_sent(self):
        """Below the byte bound the time bound holds: a full socket that does not move for --slow-consumer-after."""
        stuck = TcpClient(broker, receive_buffer=4096)
        stuck.connect()
        for number in range(50):
            stuck.subscribe(f"/topic/stuck.{number}", str(number))
        with TcpClient(broker) as sender:
            sender.connect()
            before = broker.tables()["subscriptions"]
            for _ in range(12):
                for number in range(50):
                    sender.publish(f"/topic/stuck.{number}", b"s" * 1000)
                sender.fence()
            wait_until(lambda: broker.tables()["subscriptions"] < before, "the stuck reader to be gone", 15)
        stuck.close()

    def test_a_hot_publisher_delays_nobody(self):
        """One client floods a topic that nobody reads as fast as it can."""
        with TcpClient(broker) as client:
            client.connect()
            block = encode("SEND", {"destination": "/topic/nobody"}, b"x" * 200) * 200
            end = time.monotonic() + 2.0
            while time.monotonic() < end:
                client.send(block)
            client.fence()

    def test_a_storm_of_subscriptions(self):
        with TcpClient(broker) as client:
            client.connect()
            for _ in range(20):
                client.send(b"".join(encode("SUBSCRIBE", {"id": str(n), "destination": f"/topic/storm.{n}.*"})
                                     for n in range(200)) +
                            b"".join(encode("UNSUBSCRIBE", {"id": str(n)}) for n in range(200)))
            client.fence()


if __name__ == "__main__":
    unittest.main()
