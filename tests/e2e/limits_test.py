"""Every limit at the limit and one past it: what is allowed, what is refused, and with which words."""

import time
import unittest

from broker import Broker, seconds, wait_until
from operator_pages import metrics
from wire import (CLOSE, CONTINUATION, PING, TEXT, Closed, TcpClient, WsClient, dial, encode, read_http_answer,
                  unique, upgrade_request, ws_frame)

broker = None

FRAME = 4096
FRAME_BEFORE_CONNECT = 512
HEADERS = 8
HEADER_LINE = 256
HEADER_TOTAL = 1000
WS_MESSAGE = 8192
WS_FRAGMENTS = 8
HTTP_HEAD = 1024
HTTP_HEADERS = 12
SUBSCRIPTIONS = 4
SUBSCRIPTION_ID = 16
DESTINATION = 64
LEVELS = 4
PARTS = 3
DEDUP = 4


def setUpModule():
    global broker
    broker = Broker("--max-frame-size", str(FRAME), "--max-frame-size-before-connect", str(FRAME_BEFORE_CONNECT),
                    "--max-headers", str(HEADERS), "--max-header-size", str(HEADER_LINE),
                    "--max-header-total", str(HEADER_TOTAL), "--max-websocket-message-size", str(WS_MESSAGE),
                    "--max-websocket-fragments", str(WS_FRAGMENTS), "--max-http-head-size", str(HTTP_HEAD),
                    "--max-http-headers", str(HTTP_HEADERS), "--max-subscriptions", str(SUBSCRIPTIONS),
                    "--max-subscription-id-length", str(SUBSCRIPTION_ID), "--max-destination-length", str(DESTINATION),
                    "--max-destination-levels", str(LEVELS), "--max-composite-destinations", str(PARTS), "--dedup-window", str(DEDUP))


def tearDownModule():
    broker.stop()


def send_of_size(size, with_length, destination="/topic/size", **headers):
    """A SEND of so many octets, the NUL included."""
    def build(body):
        fields = {"destination": destination, **headers}
        if with_length:
            fields["content-length"] = f"{body:05d}"
        return encode("SEND", fields, b"b" * body)
    return build(size - len(build(0)))


class FrameLimits(unittest.TestCase):
    transport = TcpClient

    def dial(self):
        client = self.transport(broker)
        self.addCleanup(client.close)
        return client

    def session(self, version="1.2"):
        client = self.dial()
        client.connect(version)
        return client

    def test_frame_size(self):
        """A11.1"""
        for with_length in (True, False):
            with self.subTest(with_length=with_length):
                client = self.session()
                at_limit = send_of_size(FRAME, with_length, receipt="r")
                self.assertEqual(len(at_limit), FRAME)
                client.send(at_limit)
                client.expect_receipt("r")
                client.send(send_of_size(FRAME + 1, with_length, receipt="r"))
                client.expect_error("frame-too-large", 1009, receipt="r")

    def test_frame_size_octet_by_octet(self):
        client = self.session()
        octets = send_of_size(FRAME + 1, False)
        client.send(octets[:FRAME - 1])
        client.send(octets[FRAME - 1:FRAME])
        client.send(octets[FRAME:])
        client.expect_error("frame-too-large", 1009)

    def test_declared_length_is_refused_when_the_header_ends(self):
        """A11.1"""
        client = self.session()
        octets = send_of_size(FRAME + 1, True)
        client.send(octets[:octets.index(b"\n\n") + 2])
        client.expect_error("frame-too-large", 1009)

    def test_the_refusal_names_the_flag(self):
        client = self.session()
        client.send(send_of_size(FRAME * 2, True))
        self.assertIn(b"--max-frame-size", client.expect_error("frame-too-large", 1009).body)

    def test_far_over(self):
        client = self.session()
        client.send(b"SEND\ndestination:/topic/x\ncontent-length:1073741824\n\n")
        client.expect_error("frame-too-large", 1009)

    def connect_of_size(self, size):
        head = b"CONNECT\naccept-version:1.2\nhost:h\nx:" + b"x" * 200 + b"\nz:" + b"z" * 100 + b"\ny:"
        return head + b"y" * (size - len(head) - 3) + b"\n\n\0"

    def test_frame_size_before_connect(self):
        """A11.2"""
        octets = self.connect_of_size(FRAME_BEFORE_CONNECT)
        self.assertEqual(len(octets), FRAME_BEFORE_CONNECT)
        client = self.dial()
        client.send(octets)
        client.expect("CONNECTED")
        client.send(send_of_size(FRAME, True, receipt="r"))  # the small limit is over
        client.expect_receipt("r")
        client = self.dial()
        client.send(self.connect_of_size(FRAME_BEFORE_CONNECT + 1))
        client.expect_error("frame-too-large", 1009)

    def send_of_headers(self, count):
        return encode("SEND", [("destination", "/topic/x"), ("receipt", "r")] +
                      [(f"h{n}", "1") for n in range(count - 2)])

    def test_headers(self):
        """A11.1"""
        client = self.session()
        client.send(self.send_of_headers(HEADERS))
        client.expect_receipt("r")
        client.send(self.send_of_headers(HEADERS + 1))
        error = client.expect_error("too-many-headers", 1009, receipt="r")
        self.assertIn(b"--max-headers", error.body)

    def test_headers_before_connect(self):
        client = self.dial()
        client.send(encode("CONNECT", [("accept-version", "1.2"), ("host", "x")] + [(f"h{n}", "1") for n in range(HEADERS)]))
        client.expect_error("too-many-headers", 1009)

    def send_of_line(self, size, eol=b"\n"):
        return b"SEND\ndestination:/topic/x\nreceipt:r\nk:" + b"v" * (size - 2) + eol + b"\n\0"

    def test_header_line(self):
        """A11.1"""
        for eol in (b"\n", b"\r\n"):
            client = self.session()
            client.send(self.send_of_line(HEADER_LINE, eol))
            client.expect_receipt("r")
            client.send(self.send_of_line(HEADER_LINE + 1, eol))
            error = client.expect_error("header-too-long", 1009, receipt="r")
            self.assertIn(b"--max-header-size", error.body)

    def test_header_line_without_an_end(self):
        client = self.session()
        client.send(b"SEND\nk:" + b"v" * (HEADER_LINE + 10))
        client.expect_error("header-too-long", 1009)

    def send_of_total(self, size):
        lines = b"destination:/topic/x\nreceipt:r\n"
        while size - len(lines) > HEADER_LINE:
            lines += b"k:" + b"v" * 200 + b"\n"
        lines += b"k:" + b"v" * (size - len(lines) - 3) + b"\n"
        assert len(lines) == size
        return b"SEND\n" + lines + b"\n\0"

    def test_header_total(self):
        """A11.1"""
        client = self.session()
        client.send(self.send_of_total(HEADER_TOTAL))
        client.expect_receipt("r")
        client.send(self.send_of_total(HEADER_TOTAL + 1))
        error = client.expect_error("header-too-long", 1009, receipt="r")
        self.assertIn(b"--max-header-total", error.body)

    def test_command_line(self):
        client = self.session()
        client.send(b"X" * 100)  # no end of line in sight
        client.expect_error("unknown-command")

    def test_subscriptions(self):
        client = self.session()
        for number in range(SUBSCRIPTIONS):
            client.subscribe(unique(), str(number))
        client.send_frame("UNSUBSCRIBE", {"id": "0", "receipt": "u"})
        client.expect_receipt("u")
        client.subscribe(unique(), "again")
        client.send_frame("SUBSCRIBE", {"id": "more", "destination": unique(), "receipt": "r"})
        error = client.expect_error("too-many-subscriptions", 1008, receipt="r")
        self.assertIn(b"--max-subscriptions", error.body)

    def test_composite_destinations(self):
        parts = [unique() for _ in range(PARTS)]
        client = self.session()
        client.subscribe(",".join(parts), "all")
        client.publish(",".join(parts), b"x")
        for _ in parts:
            client.expect_message(b"x")
        client.send_frame("SEND", {"destination": ",".join([*parts, unique()]), "receipt": "r"}, b"x")
        error = client.expect_error("bad-destination", receipt="r")
        self.assertIn(b"--max-composite-destinations", error.body)

    def test_subscriptions_of_a_composite(self):
        client = self.session()
        client.subscribe(unique(), "one")
        client.subscribe(",".join(unique() for _ in range(SUBSCRIPTIONS - 1)), "others")
        client.send_frame("SEND", {"destination": unique(), "reply-to": "/temp-queue/r", "receipt": "r"}, b"x")
        error = client.expect_error("too-many-subscriptions", 1008, receipt="r")
        self.assertIn(b"--max-subscriptions", error.body)

    def test_subscription_id(self):
        client = self.session()
        client.subscribe(unique(), "i" * SUBSCRIPTION_ID)
        client.send_frame("SUBSCRIBE", {"id": "i" * (SUBSCRIPTION_ID + 1), "destination": unique(), "receipt": "r"})
        error = client.expect_error("header-too-long", 1009, receipt="r")
        self.assertIn(b"--max-subscription-id-length", error.body)

    def test_destination_length(self):
        name = "/topic/" + "d" * (DESTINATION - 7)
        client = self.session()
        client.subscribe(name)
        client.publish(name, b"x")
        client.expect_message(b"x")
        client.publish(name + "d", b"x", receipt="r")
        error = client.expect_error("bad-destination", 1002, receipt="r")
        self.assertIn(b"--max-destination-length", error.body)
        client = self.session()
        client.send_frame("SUBSCRIBE", {"id": "0", "destination": name + "d", "receipt": "r"})
        client.expect_error("bad-destination", 1002, receipt="r")

    def test_destination_levels(self):
        for name in ("/a/b.c/d", "a.b.c.d"):
            client = self.session()
            client.subscribe(name)
            client.publish(name, b"x")
            client.expect_message(b"x")
            client.publish(name + "/e", b"x", receipt="r")
            error = client.expect_error("bad-destination", 1002, receipt="r")
            self.assertIn(b"--max-destination-levels", error.body)
            client = self.session()
            client.send_frame("SUBSCRIBE", {"id": "0", "destination": name + ".*", "receipt": "r"})
            client.expect_error("bad-destination", 1002, receipt="r")

    def test_dedup_window(self):
        to = unique()
        client = self.session()
        client.subscribe(to)
        for number in range(DEDUP):
            client.publish(to, b"%d" % number, message_id=f"id-{number}")
            client.expect_message(b"%d" % number)
        client.publish(to, b"again", message_id="id-0", receipt="r")
        client.expect_receipt("r")  # still known: answered and dropped
        for number in range(DEDUP):
            client.publish(to, b"new", message_id=f"new-{number}")
            client.expect_message(b"new")
        client.publish(to, b"forgotten", message_id="id-0")
        client.expect_message(b"forgotten")


class FrameLimitsOverWebSocket(FrameLimits):
    transport = WsClient


class WebSocketLimits(unittest.TestCase):
    def session(self):
        client = WsClient(broker)
        self.addCleanup(client.close)
        client.connect()
        return client

    def test_message_size(self):
        client = self.session()
        client.send_raw(ws_frame(TEXT, b"\n" * WS_MESSAGE))
        client.fence()
        client.send_raw(ws_frame(TEXT, b"\n" * (WS_MESSAGE + 1))[:14])  # the header is enough
        client.expect_error("frame-too-large", 1009)

    def test_message_size_over_fragments(self):
        half = b"\n" * (WS_MESSAGE // 2)
        client = self.session()
        client.send_raw(ws_frame(TEXT, half, fin=False) + ws_frame(CONTINUATION, half))
        client.fence()
        client.send_raw(ws_frame(TEXT, half, fin=False) + ws_frame(CONTINUATION, half, fin=False) +
                        ws_frame(CONTINUATION, b"\n"))
        client.expect_error("frame-too-large", 1009)

    def test_fragments(self):
        def message(count):
            return b"".join(ws_frame(CONTINUATION if n else TEXT, b"\n", fin=n == count - 1) for n in range(count))
        client = self.session()
        client.send_raw(message(WS_FRAGMENTS))
        client.fence()
        client.send_raw(message(WS_FRAGMENTS + 1))
        client.expect_error("frame-too-large", (1008, 1009))

    def test_frame_size_before_connect_counts_over_messages(self):
        """A11.2"""
        client = WsClient(broker)
        self.addCleanup(client.close)
        octets = b"CONNECT\naccept-version:1.2\nhost:h\n" + (b"x:" + b"x" * 97 + b"\n") * 5
        self.assertGreater(len(octets), FRAME_BEFORE_CONNECT)
        for at in range(0, len(octets), 50):
            client.send(octets[at:at + 50])
        client.expect_error("frame-too-large", 1009)

    def test_http_head_size(self):
        def request(size):
            bare = upgrade_request(broker, extra=[("X-Pad", "")])
            return upgrade_request(broker, extra=[("X-Pad", "x" * (size - len(bare)))])
        for size, status in ((HTTP_HEAD, 101), (HTTP_HEAD + 1, 431)):
            with self.subTest(size=size), dial(broker.ws) as sock:
                octets = request(size)
                self.assertEqual(len(octets), size)
                sock.sendall(octets)
                self.assertEqual(read_http_answer(sock).status, status)

    def test_http_head_size_without_an_end(self):
        with dial(broker.ws) as sock:
            sock.sendall(b"GET /stomp HTTP/1.1\r\nX: " + b"x" * HTTP_HEAD)
            self.assertEqual(read_http_answer(sock).status, 431)

    def test_http_headers(self):
        present = upgrade_request(broker).count(b"\r\n") - 2
        for count, status in ((HTTP_HEADERS, 101), (HTTP_HEADERS + 1, 431)):
            with self.subTest(count=count), dial(broker.ws) as sock:
                sock.sendall(upgrade_request(broker, extra=[(f"X-{n}", "1") for n in range(count - present)]))
                self.assertEqual(read_http_answer(sock).status, status)


class LargeBodies(unittest.TestCase):
    """What the test suites of other brokers and clients send, where the limit is raised for it."""

    def test_a_body_of_16_mib(self):
        """A11.3"""
        body = bytes(range(256)) * (16 * 1024 * 4)
        with Broker("--max-frame-size", "17M") as own:
            for transport in (TcpClient, WsClient):
                with self.subTest(transport=transport.transport), transport(own) as client:
                    client.connect()
                    client.subscribe("/topic/large")
                    client.publish("/topic/large", body, content_length=len(body))
                    self.assertTrue(client.expect_message(timeout=20).body == body)

    def test_a_body_of_1_mib_as_text_and_as_binary(self):
        """A11.3"""
        with Broker("--max-frame-size", "1100K") as own:
            for body in ("ż€".encode() * (1024 * 1024 // 5), b"\xff\0" * (512 * 1024)):
                for transport in (TcpClient, WsClient):
                    with self.subTest(transport=transport.transport, body=body[:4]), transport(own) as client:
                        client.connect()
                        client.subscribe("/topic/large")
                        client.publish("/topic/large", body, content_length=len(body))
                        self.assertTrue(client.expect_message(timeout=20).body == body)


class Deadlines(unittest.TestCase):
    def test_http_timeout(self):
        with Broker("--http-timeout", "400ms") as own, dial(own.ws) as sock:
            start = time.monotonic()
            sock.sendall(b"GET /stomp HTTP/1.1\r\n")
            try:
                self.assertEqual(read_http_answer(sock).status, 408)
            except (Closed, ConnectionResetError):
                pass  # closing without an answer is right too
            took = time.monotonic() - start
            self.assertGreater(took, 0.35)
            self.assertLess(took, 0.4 + seconds(1.5))

    def test_connect_timeout(self):
        """A11.2"""
        with Broker("--connect-timeout", "400ms") as own:
            for transport in (TcpClient, WsClient):
                for octets in (b"", b"\n", b"CONNECT\naccept-ver"):
                    with self.subTest(transport=transport.transport, octets=octets), transport(own) as client:
                        start = time.monotonic()
                        client.send(octets)
                        error = client.expect_error("connect-timeout", 1008)
                        took = time.monotonic() - start
                        self.assertGreater(took, 0.35)
                        self.assertLess(took, 0.4 + seconds(1.5))
                        self.assertIn(b"--connect-timeout", error.body)
            with TcpClient(own) as client:  # one that is in time stays
                client.connect()
                client.sock.settimeout(0.8)
                with self.assertRaises(TimeoutError):
                    client.sock.recv(1)
                client.fence()

    def test_close_linger(self):
        with Broker("--close-linger", "300ms") as own, WsClient(own) as client:
            client.connect()
            client.send(b"NONSENSE\n\n\0")
            client.expect("ERROR")
            self.assertEqual(client.ws_frame()[0], CLOSE)
            start = time.monotonic()
            # Never answered, never closed by us: the broker leaves by itself.
            own.wait_for_empty_tables()
            self.assertLess(time.monotonic() - start, 0.3 + seconds(1.5))

    def test_heart_beat_tolerance(self):
        for tolerance in ("1.5", "4"):
            with self.subTest(tolerance=tolerance), \
                    Broker("--heart-beat", "200ms,200ms", "--heart-beat-min", "100ms",
                           "--heart-beat-tolerance", tolerance) as own, TcpClient(own) as client:
                client.connect(heart_beat="200,0")
                start = time.monotonic()
                try:
                    while client._fill(time.monotonic() + seconds(10)):
                        pass
                except Closed:
                    pass
                took = time.monotonic() - start
                self.assertGreater(took, 0.2 * float(tolerance) * 0.9 - 0.05)
                self.assertLess(took, 0.2 * float(tolerance) + 0.25 + seconds(0.8))

    def test_heart_beat_max(self):
        with Broker("--heart-beat", "200ms,200ms", "--heart-beat-min", "100ms", "--heart-beat-max", "400ms") as own, \
                TcpClient(own) as at_it, TcpClient(own) as past_it:
            at_it.connect(heart_beat="400,0")
            past_it.connect(heart_beat="401,0")
            start = time.monotonic()
            try:
                at_it.expect_end(timeout=10)
            except Closed:
                pass
            self.assertGreater(time.monotonic() - start, 0.7)
            past_it.sock.settimeout(1.0)  # it promised nothing that is worth waiting for
            with self.assertRaises(TimeoutError):
                past_it.sock.recv(1)
            past_it.fence()

    def test_ping_interval_and_timeout(self):
        """A WebSocket client that promised no beats is pinged, and lives if it answers."""
        with Broker("--ping-interval", "300ms", "--ping-timeout", "400ms") as own, \
                WsClient(own) as answers, WsClient(own) as does_not:
            answers.answers_pings = True
            for client in (answers, does_not):
                client.connect()
            start = time.monotonic()
            self.assertEqual(does_not.ws_frame(), (PING, b""))
            self.assertGreater(time.monotonic() - start, 0.25)
            try:
                while answers._fill(time.monotonic() + 1.5):
                    if answers.pings >= 4:
                        break
            finally:
                self.assertGreaterEqual(answers.pings, 4)
            try:
                self.assertIsNone(does_not.ws_frame())
            except Closed:
                pass
            self.assertRegex(own.stderr(), r'reason=heartbeat_missed .*"no answer to a ping .*--ping-timeout')
            answers.fence()

    def test_a_page_in_the_background(self):
        """Its timers are throttled, so that its beats are late; its browser answers pings."""
        with Broker("--heart-beat", "400ms,400ms", "--heart-beat-min", "100ms") as own, WsClient(own) as page:
            page.answers_pings = True
            page.connect(heart_beat="400,0")
            for _ in range(3):
                end = time.monotonic() + 1.5
                try:
                    while page._fill(end):
                        pass
                    self.fail("the page was given up")
                except AssertionError as error:
                    self.assertIn("nothing within the deadline", str(error))
                page.send(b"\n")
            self.assertGreater(page.pings, 3)
            page.fence()

    def test_tcp_user_timeout(self):
        """A peer whose kernel acknowledges nothing is gone after so long."""
        with Broker("--tcp-user-timeout", "1s") as own, TcpClient(own, receive_buffer=4096) as stuck:
            stuck.connect()
            stuck.subscribe("/topic/x")
            with TcpClient(own) as sender:
                sender.connect()
                for _ in range(100):  # its window closes, and stays so
                    sender.publish("/topic/x", b"x" * 8000)
                sender.fence()
            self.assertNotIn("peer_reset", own.stderr())
            wait_until(lambda: "peer_reset" in own.stderr(), "the end of the stuck connection", 10)

    def test_dedup_time(self):
        with Broker("--dedup-time", "300ms") as own, TcpClient(own) as client:
            client.connect()
            client.subscribe("/topic/x")
            client.publish("/topic/x", b"first", message_id="m")
            client.expect_message(b"first")
            client.publish("/topic/x", b"dropped", message_id="m", receipt="r")
            client.expect_receipt("r")
            client.sock.settimeout(1.0)  # the window passes
            with self.assertRaises(TimeoutError):
                client.sock.recv(1)
            client.publish("/topic/x", b"second", message_id="m")
            client.expect_message(b"second")


class QueueLimits(unittest.TestCase):
    def broker(self, *flags):
        own = Broker(*flags)
        self.addCleanup(own.stop)  # behind its clients
        return own

    def session(self, own):
        client = TcpClient(own)
        self.addCleanup(client.close)
        client.connect()
        return client

    def consumer(self, own, name="/queue/q", **headers):
        client = self.session(own)
        client.send_frame("SUBSCRIBE", {"id": "0", "destination": name, "ack": "client-individual", **headers})
        return client

    def fill(self, own, *bodies):
        client = self.session(own)
        for body in bodies:
            client.publish("/queue/q", body, receipt="sent")
            client.expect_receipt("sent")
        return client

    def test_queue_messages(self):
        own = self.broker("--max-queue-messages", "3", "--queue-full-wait", "0")
        sender = self.fill(own, b"0", b"1", b"2")
        consumer = self.consumer(own)
        messages = [consumer.expect_message(b"%d" % number) for number in range(3)]
        sender.publish("/queue/other", b"x", receipt="other")  # another queue has room of its own
        sender.expect_receipt("other")
        sender.publish("/queue/q", b"3", receipt="r")  # those at a consumer count
        error = sender.expect_error("queue-full", 1008, receipt="r")
        self.assertIn(b"--max-queue-messages", error.body)
        consumer.send_frame("ACK", {"id": messages[0].get("ack"), "receipt": "acked"})
        consumer.expect_receipt("acked")
        self.fill(own, b"3")
        consumer.expect_message(b"3")

    def test_queue_bytes(self):
        own = self.broker("--max-queue-bytes", "10000", "--queue-full-wait", "0")
        sender = self.fill(own, b"x" * 4000, b"x" * 4000)  # their memory is a little more
        sender.publish("/queue/q", b"x" * 2000, receipt="r")
        error = sender.expect_error("queue-full", 1008, receipt="r")
        self.assertIn(b"--max-queue-bytes", error.body)

    def test_queue_full_wait(self):
        own = self.broker("--max-queue-messages", "1", "--queue-full-wait", "400ms", "--admin", "127.0.0.1:0")
        self.fill(own, b"0")
        sender = self.session(own)
        began = time.monotonic()
        sender.publish("/queue/q", b"1", receipt="r")
        error = sender.expect_error("queue-full", 1008, receipt="r")
        self.assertGreaterEqual(time.monotonic() - began, 0.4)
        self.assertIn(b"--queue-full-wait", error.body)
        self.assertEqual(metrics(own)["stampede_queue_refused_total"], 1)

    def test_queue_full_drop_oldest(self):
        own = self.broker("--max-queue-messages", "2", "--queue-full", "drop-oldest")
        self.fill(own, b"0", b"1", b"2", b"3")
        consumer = self.consumer(own)
        for body in (b"2", b"3"):
            consumer.expect_message(body)
        consumer.fence()

    def test_queue_full_dead_letter(self):
        own = self.broker("--max-queue-messages", "2", "--queue-full", "dead-letter")
        self.fill(own, b"0", b"1", b"2")
        letter = self.consumer(own, "/queue/dlq.q").expect_message(b"0")
        self.assertEqual(letter.get("dead-letter-reason"), "queue-full")
        consumer = self.consumer(own)
        for body in (b"1", b"2"):
            consumer.expect_message(body)

    def test_deliveries(self):
        own = self.broker("--max-deliveries", "3")
        self.fill(own, b"bad")
        consumer = self.consumer(own)
        for count in (None, "2", "3"):
            message = consumer.expect_message(b"bad")
            self.assertEqual(message.get("delivery-count"), count)
            consumer.send_frame("NACK", {"id": message.get("ack")})
        letter = self.consumer(own, "/queue/dlq.q").expect_message(b"bad")
        self.assertEqual(letter.get("dead-letter-reason"), "delivery-limit")
        self.assertEqual(letter.get("original-delivery-count"), "3")
        consumer.fence()

    def test_prefetch(self):
        """Who asks for nothing has the default, who asks for much the most that there is."""
        own = self.broker("--default-prefetch", "2", "--max-prefetch", "4")
        for header, count in (({}, 2), ({"prefetch-count": "3"}, 3), ({"prefetch-count": "5"}, 4),
                              ({"prefetch-count": "0"}, 4)):
            with self.subTest(header=header):
                name = unique("/queue/prefetch")
                client = self.consumer(own, name, **header)
                for number in range(count + 1):
                    client.publish(name, b"%d" % number)
                for number in range(count):
                    client.expect_message(b"%d" % number)
                self.consumer(own, name).expect_message(b"%d" % count)


class Counts(unittest.TestCase):
    def test_connections(self):
        with Broker("--max-connections", "5", shards=1) as own:
            clients = [TcpClient(own) for _ in range(3)] + [WsClient(own) for _ in range(2)]
            for client in clients:
                client.connect()
            with dial(own.tcp) as sock:
                try:
                    sock.sendall(encode("CONNECT", {"accept-version": "1.2", "host": "x"}))
                    while octets := sock.recv(4096):
                        self.assertNotIn(b"CONNECTED", octets)
                except ConnectionError:
                    pass
            with dial(own.ws) as sock:
                try:
                    sock.sendall(upgrade_request(own))
                    self.assertEqual(read_http_answer(sock).status, 503)
                except (Closed, ConnectionError):
                    pass
            for client in clients:
                client.fence()
            clients.pop().close()
            wait_until(lambda: own.tables()["clients"] == 4, "room for another client")
            with TcpClient(own) as client:
                client.connect()
                client.fence()
            for client in clients:
                client.close()

    def test_many_receipts_of_a_pipelining_client(self):
        """Up to the limit receipts wait in order; past it the client is told, not forgotten."""
        with Broker("--max-receipts-pending", "64") as own, TcpClient(own) as client:
            client.connect()
            for burst in range(20):
                client.send(b"".join(encode("SEND", {"destination": f"/topic/{n}", "receipt": f"{burst}-{n}"})
                                     for n in range(64)))
                for number in range(64):
                    client.expect_receipt(f"{burst}-{number}")
            count = 20_000
            octets = b"".join(encode("SEND", {"destination": f"/topic/{n % 50}", "receipt": str(n)})
                              for n in range(count))
            client.sock.setblocking(True)
            try:
                client.send(octets)
            except OSError:
                pass
            for number in range(count):
                try:
                    frame = client.frame()
                except Closed:
                    break  # reset: it wrote on after the ERROR
                if frame.command == "ERROR":
                    self.assertEqual(frame.get("message"), "too-many-receipts")
                    self.assertIn(b"--max-receipts-pending", frame.body)
                    break
                self.assertEqual(frame.get("receipt-id"), str(number))


class SlowConsumers(unittest.TestCase):
    def stalled(self, own, transport):
        """A subscriber that reads nothing from here on."""
        client = transport(own, receive_buffer=4096)
        self.addCleanup(client.close)
        client.connect()
        client.subscribe("/topic/flood")
        return client

    def flood_until_gone(self, own, watcher, chunk=8192, limit=64 * 1024 * 1024):
        """Publishes until only the watcher is left; gives the octets that it took."""
        sent = 0
        while own.tables()["subscriptions"] > 1:
            self.assertLess(sent, limit, "the slow consumer is still there")
            for _ in range(32):
                watcher.publish("/topic/flood", b"f" * chunk)
                watcher.expect_message(timeout=10)
                sent += chunk
        return sent

    def test_slow_consumer_bytes(self):
        for transport in (TcpClient, WsClient):
            with self.subTest(transport=transport.transport), \
                    Broker("--slow-consumer-bytes", "262144", "--send-buffer", "65536") as own:
                slow = self.stalled(own, transport)
                with TcpClient(own) as watcher:
                    watcher.connect()
                    watcher.subscribe("/topic/flood")
                    sent = self.flood_until_gone(own, watcher)
                    # The bound, and what the two kernels hold besides.
                    self.assertGreater(sent, 262144)
                    self.assertLess(sent, 262144 + 8 * 1024 * 1024)
                    watcher.fence()
                self.assertIn("slow", own.stderr().lower())
                slow.close()
                own.wait_for_empty_tables()

    def test_slow_consumer_after(self):
        with Broker("--slow-consumer-after", "700ms", "--send-buffer", "32768") as own:
            self.stalled(own, TcpClient)
            with TcpClient(own) as watcher:
                watcher.connect()
                watcher.subscribe("/topic/flood")
                for _ in range(1000):  # 8 MB: more than the kernel takes, less than the bound
                    watcher.publish("/topic/flood", b"f" * 8192)
                    watcher.expect_message()
                start = time.monotonic()
                wait_until(lambda: own.tables()["subscriptions"] == 1, "the stuck reader to be gone", 5)
                self.assertLess(time.monotonic() - start, 0.7 + seconds(2.0))
                watcher.fence()

    def test_a_slow_consumer_that_reads_in_the_end_finds_why(self):
        with Broker("--slow-consumer-bytes", "262144", "--close-linger", "20s") as own:
            slow = self.stalled(own, WsClient)
            with TcpClient(own) as watcher:
                watcher.connect()
                watcher.subscribe("/topic/flood")
                self.flood_until_gone(own, watcher)
            # What was on its way comes whole, then the reason and the close code.
            while (frame := slow.frame()).command == "MESSAGE":
                pass
            self.assertEqual((frame.command, frame.get("message")), ("ERROR", "slow-consumer"))
            self.assertEqual(slow.expect_end(), 1008)
            slow.close()

    def test_one_who_reads_slowly_but_reads_stays(self):
        with Broker("--slow-consumer-after", "500ms") as own:
            with TcpClient(own, receive_buffer=4096) as reader, TcpClient(own) as sender:
                reader.connect()
                reader.subscribe("/topic/x")
                sender.connect()
                for _ in range(12):
                    for _ in range(4):
                        sender.publish("/topic/x", b"y" * 20_000)
                    sender.fence()
                    for _ in range(4):
                        reader.expect_message()
                reader.fence()


if __name__ == "__main__":
    unittest.main()
