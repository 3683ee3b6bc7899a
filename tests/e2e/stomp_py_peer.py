"""stomp.py at the other end of a test in another language: requests, replies, or listens.

    stomp_py_peer.py reply PORT DESTINATION            answers each message there: "re: " and its body, to its reply-to
    stomp_py_peer.py request PORT DESTINATION OWN      asks there for an answer to OWN, e.g. /temp-queue/r
    stomp_py_peer.py request PORT DESTINATION OWN ID   the same, with a subscription of that id to OWN first
    stomp_py_peer.py listen PORT DESTINATION LOGIN     subscribes as that user

Prints one JSON object a line: {"ready": ...} once it is subscribed, then each MESSAGE that comes to it. Ends when its
standard input does.
"""

import json
import sys

import stomp


def say(thing):
    print(json.dumps(thing), flush=True)


class Peer(stomp.ConnectionListener):
    def __init__(self, connection, answers):
        self.connection = connection
        self.answers = answers

    def on_connected(self, frame):
        self.user = frame.headers.get("user-name")

    def on_receipt(self, frame):
        say({"ready": frame.headers["receipt-id"], "user": self.user})

    def on_error(self, frame):
        say({"error": frame.headers.get("message"), "body": frame.body})

    def on_message(self, frame):
        say({"headers": frame.headers, "body": frame.body})
        if self.answers and "reply-to" in frame.headers:
            self.connection.send(frame.headers["reply-to"], "re: " + frame.body)


def main():
    what, port, destination, *more = sys.argv[1:]
    connection = stomp.StompConnection12([("127.0.0.1", int(port))])
    connection.set_listener("peer", Peer(connection, what == "reply"))
    connection.connect(more[0] if what == "listen" else "peer", "secret", wait=True)
    if what in ("reply", "listen"):
        connection.subscribe(destination, id="peer", receipt="subscribed")
    else:
        if len(more) > 1:
            connection.subscribe(more[0], id=more[1])
        connection.send(destination, "from Python", headers={"reply-to": more[0]}, receipt="sent")
    sys.stdin.read()
    connection.disconnect()


if __name__ == "__main__":
    main()
