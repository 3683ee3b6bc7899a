"""The vocabulary of the tests that go through the STOMP specification line by line.

A test class is written once, with TcpClient as its transport, and derived once more with WsClient.
"""

import unittest


class StompCase(unittest.TestCase):
    transport = None
    broker = None  # the program's setUpModule() starts it

    def dial(self, on=None):
        client = self.transport(on or self.broker)
        self.addCleanup(client.close)
        return client

    def session(self, version="1.2", on=None, **headers):
        client = self.dial(on)
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
