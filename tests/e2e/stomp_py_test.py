"""stomp.py (Debian's python3-stomp) as its users use it: over TCP in three versions, and over WebSocket."""

import threading
import unittest

import stomp
import stomp.exception
import stomp.transport
import websocket
from stomp.protocol import Protocol12

from broker import Broker, seconds
from wire import TcpClient, unique

broker = None
quick_beats = None


def setUpModule():
    global broker, quick_beats
    broker = Broker()
    quick_beats = Broker("--heart-beat", "300ms,300ms", "--heart-beat-min", "100ms")


def tearDownModule():
    try:
        broker.stop()
    finally:
        quick_beats.stop()


class WsTransport(stomp.transport.BaseTransport):
    """What stomp.py 8.1's WSTransport does, which Debian's 8.0 lacks: no subprotocol, text messages."""

    def __init__(self, port, path="/stomp", binary=False):
        super().__init__()
        self.current_host_and_port = ("127.0.0.1", port)
        self.path, self.binary, self.socket, self.vhost = path, binary, None, None

    def attempt_connection(self):
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{self.current_host_and_port[1]}{self.path}",
                                                  timeout=seconds(10))

    def send(self, encoded_frame):
        self.socket.send(encoded_frame, websocket.ABNF.OPCODE_BINARY if self.binary else websocket.ABNF.OPCODE_TEXT)

    def receive(self):
        data = self.socket.recv()
        return data.encode() if isinstance(data, str) else data

    def disconnect_socket(self):
        self.running = False
        if self.socket is not None:
            self.socket.close()


class WSConnection(stomp.connect.BaseConnection, Protocol12):
    def __init__(self, port, **options):
        transport = WsTransport(port, **options)
        stomp.connect.BaseConnection.__init__(self, transport)
        Protocol12.__init__(self, transport, (0, 0))

    def connect(self, *args, **kwargs):
        self.transport.start()
        Protocol12.connect(self, *args, **kwargs)

    def disconnect(self, receipt=None, headers=None, **keyword_headers):
        Protocol12.disconnect(self, receipt, headers, **keyword_headers)
        self.transport.stop()


class Recorder(stomp.ConnectionListener):
    """Keeps what came, and lets a test wait for it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.connected, self.messages, self.receipts, self.errors = [], [], [], []
        self.beats = 0
        self.has_disconnected = self.has_timed_out = False

    def note(self, action):
        with self.changed:
            action()
            self.changed.notify_all()

    def on_connected(self, frame):
        self.note(lambda: self.connected.append(frame))

    def on_message(self, frame):
        self.note(lambda: self.messages.append(frame))

    def on_receipt(self, frame):
        self.note(lambda: self.receipts.append(frame.headers["receipt-id"]))

    def on_error(self, frame):
        self.note(lambda: self.errors.append(frame))

    def on_heartbeat(self):
        self.note(lambda: setattr(self, "beats", self.beats + 1))

    def on_heartbeat_timeout(self):
        self.note(lambda: setattr(self, "has_timed_out", True))

    def on_disconnected(self):
        self.note(lambda: setattr(self, "has_disconnected", True))

    def wait(self, condition, what, timeout=5):
        with self.changed:
            if not self.changed.wait_for(condition, seconds(timeout)):
                raise AssertionError(f"not in time: {what}; messages {self.messages}, receipts {self.receipts}, "
                                     f"errors {[(error.headers, error.body) for error in self.errors]}")


class StompPyCase(unittest.TestCase):
    def make(self, on=None, **options):
        raise NotImplementedError

    def connected(self, on=None, **options):
        connection = self.make(on or broker, **options)
        recorder = Recorder()
        connection.set_listener("recorder", recorder)
        connection.connect("user", "secret", wait=True)

        def leave():
            if connection.is_connected():
                try:
                    connection.disconnect()
                except stomp.exception.NotConnectedException:
                    pass
            connection.transport.disconnect_socket()

        self.addCleanup(leave)
        recorder.wait(lambda: recorder.connected, "CONNECTED")
        return connection, recorder

    def subscribed(self, connection, recorder, destination, id="1"):
        connection.subscribe(destination, id=id, receipt=f"sub-{id}")
        recorder.wait(lambda: f"sub-{id}" in recorder.receipts, "the receipt of SUBSCRIBE")


class Common:
    def test_subscribe_send_receive(self):
        to = unique()
        connection, recorder = self.connected()
        self.subscribed(connection, recorder, to)
        connection.send(to, "Zażółć 😀", content_type="text/plain", receipt="sent", colour="red")
        recorder.wait(lambda: recorder.messages and "sent" in recorder.receipts, "the message and its receipt")
        message = recorder.messages[0]
        self.assertEqual(message.body, "Zażółć 😀")
        self.assertEqual(message.headers["destination"], to)
        self.assertEqual(message.headers["colour"], "red")
        self.assertEqual(message.headers["content-type"], "text/plain")
        self.assertIn("message-id", message.headers)

    def test_hundred_messages_in_order(self):
        to = unique()
        receiver, recorder = self.connected()
        self.subscribed(receiver, recorder, to)
        sender, _ = self.connected()
        for number in range(100):
            sender.send(to, str(number))
        recorder.wait(lambda: len(recorder.messages) >= 100, "100 messages")
        self.assertEqual([message.body for message in recorder.messages], [str(number) for number in range(100)])

    def test_unsubscribe(self):
        to = unique()
        connection, recorder = self.connected()
        self.subscribed(connection, recorder, to)
        connection.unsubscribe(id="1", receipt="gone")
        recorder.wait(lambda: "gone" in recorder.receipts, "the receipt of UNSUBSCRIBE")
        connection.send(to, "not for us")
        self.subscribed(connection, recorder, to, id="2")
        connection.send(to, "for us")
        recorder.wait(lambda: recorder.messages, "the second message")
        self.assertEqual([message.body for message in recorder.messages], ["for us"])

    def test_disconnect_with_receipt(self):
        connection, recorder = self.connected()
        connection.disconnect(receipt="bye")
        recorder.wait(lambda: "bye" in recorder.receipts and recorder.has_disconnected, "RECEIPT and the end")
        self.assertFalse(connection.is_connected())
        self.assertEqual(recorder.errors, [])

    def test_error_reaches_the_listener(self):
        connection, recorder = self.connected()
        connection.send("/dsub/jobs", "x", receipt="r")
        recorder.wait(lambda: recorder.errors and recorder.has_disconnected, "ERROR and the end")
        self.assertEqual(recorder.errors[0].headers["message"], "unsupported-destination")
        self.assertEqual(recorder.errors[0].headers["receipt-id"], "r")


class HeartBeats:
    def test_heart_beats_flow_both_ways(self):
        connection, recorder = self.connected(on=quick_beats, heartbeats=(300, 300))
        recorder.wait(lambda: recorder.beats >= 4, "4 heart-beats of the server", 10)
        # Four times our own interval without being dropped: ours arrive too.
        connection.send(unique(), "x", receipt="alive")
        recorder.wait(lambda: "alive" in recorder.receipts, "a receipt behind the heart-beats")
        self.assertFalse(recorder.has_timed_out)
        self.assertFalse(recorder.has_disconnected)


class Escapes:
    def test_headers_with_special_characters(self):
        to = unique()
        connection, recorder = self.connected()
        self.subscribed(connection, recorder, to, id="a:b\\c")
        connection.send(to, "x", headers={"odd": "line\nbreak : back\\slash"})  # it does not escape names
        recorder.wait(lambda: recorder.messages, "the message")
        message = recorder.messages[0]
        self.assertEqual(message.headers["odd"], "line\nbreak : back\\slash")
        self.assertEqual(message.headers["subscription"], "a:b\\c")


class Tcp10(Common, StompPyCase):
    def make(self, on, **options):
        return stomp.StompConnection10([("127.0.0.1", on.tcp)], **options)

    def subscribed(self, connection, recorder, destination, id="1"):
        connection.subscribe(destination, receipt=f"sub-{id}")  # the 1.0 class sends no id
        recorder.wait(lambda: f"sub-{id}" in recorder.receipts, "the receipt of SUBSCRIBE")

    def test_unsubscribe(self):
        """By destination, as 1.0 clients do."""
        to, other = unique(), unique()
        connection, recorder = self.connected()
        self.subscribed(connection, recorder, to)
        self.subscribed(connection, recorder, other, id="2")
        connection.unsubscribe(to, receipt="gone")
        recorder.wait(lambda: "gone" in recorder.receipts, "the receipt of UNSUBSCRIBE")
        connection.send(to, "not for us")
        connection.send(other, "for us")
        recorder.wait(lambda: recorder.messages, "the message")
        self.assertEqual([message.body for message in recorder.messages], ["for us"])

    def test_disconnect_with_receipt(self):
        connection, recorder = self.connected()
        connection.disconnect(receipt="bye")
        recorder.wait(lambda: "bye" in recorder.receipts, "RECEIPT")


class Tcp11(Common, HeartBeats, Escapes, StompPyCase):
    def make(self, on, **options):
        return stomp.StompConnection11([("127.0.0.1", on.tcp)], **options)


class Tcp12(Common, HeartBeats, Escapes, StompPyCase):
    def make(self, on, **options):
        return stomp.StompConnection12([("127.0.0.1", on.tcp)], **options)

    def test_binary_body_with_nul(self):
        to = unique()
        connection, recorder = self.connected(auto_decode=False)
        self.subscribed(connection, recorder, to)
        body = bytes(range(256))
        connection.send(to, body)
        recorder.wait(lambda: recorder.messages, "the message")
        self.assertEqual(recorder.messages[0].body, body)

    def test_context_manager(self):
        connection = self.make(broker)
        with connection:
            connection.connect("u", "p", wait=True)
        self.assertFalse(connection.is_connected())

    def test_to_a_subscriber_on_another_transport(self):
        to = unique()
        connection, recorder = self.connected()
        self.subscribed(connection, recorder, to)
        with TcpClient(broker) as raw:
            raw.connect("1.0")
            raw.publish(to, b"from a 1.0 client")
            recorder.wait(lambda: recorder.messages, "the message")


class OverWebSocket(Common, Escapes, StompPyCase):
    def make(self, on, **options):
        return WSConnection(on.ws, **options)

    def test_binary_mode(self):
        to = unique()
        connection, recorder = self.connected(binary=True)
        self.subscribed(connection, recorder, to)
        connection.send(to, "text in a binary message")
        recorder.wait(lambda: recorder.messages, "the message")
        self.assertEqual(recorder.messages[0].body, "text in a binary message")

    def test_other_path(self):
        self.connected(path="/ws")


if __name__ == "__main__":
    unittest.main()
