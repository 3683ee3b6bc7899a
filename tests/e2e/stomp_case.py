"""The vocabulary of the tests that go through the STOMP specification line by line.

A test class is written once, with TcpClient as its transport, and derived once more with WsClient.
"""

import socket
import unittest

from broker import seconds
from wire import unique


class StompCase(unittest.TestCase):
    transport = None
    broker = None  # the program's setUpModule() starts it

    def dial(self, on=None):
        client = self.transport(on or self.broker)
        self.addCleanup(client.close)
        return client

    def session(self, version="1.2", on=None, **headers):
        client = self.dial(on)
        client.version = version
        client.connect(version, **headers)
        return client

    def subscriber(self, destination, version="1.2", id="0"):
        client = self.session(version)
        client.subscribe(destination, id)
        return client

    def refused(self, octets, token, version="1.2", code=1002, receipt=None):
        """A session of `version` sends the octets and is told `token`."""
        client = self.session(version)
        client.send(octets)
        return client.expect_error(token, code, receipt)

    def answers(self, client, *frames):
        """The next frames are these octets, one after the other."""
        for frame in frames:
            self.assertEqual(client.frame().raw, frame)


class QueueCase(StompCase):
    """Words for queues and acknowledgements.

    A consumer's MESSAGEs and the RECEIPT of its SUBSCRIBE come in no set order where messages wait already, so
    consumers ask for none; a queue keeps what is sent before they are there.
    """

    def queue(self, *bodies):
        """A queue of its own that holds these bodies in this order."""
        name = unique("/queue/q")
        self.fill(name, *bodies)
        return name

    def fill(self, name, *bodies):
        sender = self.session()
        for number, body in enumerate(bodies):
            sender.publish(name, body, receipt=f"sent-{number}")
        for number in range(len(bodies)):
            sender.expect_receipt(f"sent-{number}")

    def consumer(self, destination, ack="client-individual", version="1.2", id="0", on=None, **headers):
        client = self.session(version, on)
        self.consume(client, destination, ack, id, **headers)
        return client

    def waiting_consumer(self, name, **headers):
        """A consumer of an empty queue, live when this returns."""
        client = self.session()
        client.subscribe(name, ack="client-individual",
                         **{header.replace("_", "-"): value for header, value in headers.items()})
        return client

    def consume(self, client, destination, ack="client-individual", id="0", **headers):
        fields = {"id": id, "destination": destination, "ack": ack}
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        client.send_frame("SUBSCRIBE", fields)

    def receive(self, client, *bodies):
        """The next MESSAGEs have these bodies."""
        return [client.expect_message(body) for body in bodies]

    def name_of(self, client, message):
        """The headers by which this version's ACK and NACK name a delivery."""
        if client.version == "1.2":
            return {"id": message.get("ack")}
        if client.version == "1.1":
            return {"subscription": message.get("subscription"), "message-id": message.get("message-id")}
        return {"message-id": message.get("message-id")}

    def settle(self, client, command, message, **headers):
        """ACK or NACK, and nothing is waited for."""
        client.send_frame(command, {**self.name_of(client, message), **headers})

    def ack(self, client, message, **headers):
        """ACK, and its RECEIPT is the next frame."""
        self.settle(client, "ACK", message, receipt="acked", **headers)
        client.expect_receipt("acked")

    def unsubscribe(self, client, id="0"):
        """UNSUBSCRIBE, and its RECEIPT is the next frame."""
        client.send_frame("UNSUBSCRIBE", {"id": id, "receipt": "unsubscribed"})
        client.expect_receipt("unsubscribed")

    def lose(self, client):
        """The connection ends without DISCONNECT, and the broker has seen it."""
        client.sock.shutdown(socket.SHUT_WR)
        client.sock.settimeout(seconds(5))
        try:
            while client.sock.recv(65536):
                pass  # deliveries that were on their way
        except ConnectionError:
            pass
        client.close()

    def assert_holds(self, name, *bodies):
        """A consumer that comes now gets these bodies, and nothing else before what is sent then. Empties the queue."""
        client = self.consumer(name, "auto")
        messages = self.receive(client, *bodies)
        self.fill(name, b"the end")
        client.expect_message(b"the end")
        client.close()
        return messages

    def assert_first_delivery(self, message):
        self.assertEqual((message.all("redelivered"), message.all("delivery-count")), ([], []), message)

    def assert_redelivered(self, message, count=2):
        self.assertEqual((message.all("redelivered"), message.all("delivery-count")), (["true"], [str(count)]), message)
