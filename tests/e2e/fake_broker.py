"""A small STOMP broker over TCP that makes the mistakes it is told to, and counts them.

stampede-bench is to see each of them: a load generator that cannot see errors is worthless.
"""

import asyncio
import threading

from wire import FrameReader, encode

FAULTS_EACH = 3    # to one subscriber, so that what follows them is in order again
FAULT_PERIOD = 20  # deliveries of one subscriber from one fault to the next
# The first and the last letter of the message's number, which are then those of another number, and the last octet.
ALTERED_AT = (4, 11, -1)


class FakeBroker:
    """`with FakeBroker("drop") as broker: broker.tcp`. Destinations that begin with /queue/ go round robin.

    Faults of deliveries (every FAULT_PERIOD-th of a subscriber, FAULTS_EACH times):
      drop     it is not sent
      double   it is sent twice; of a queue the second time to the next consumer
      swap     it is sent behind the following one
      alter    one octet of its body is another, as good a letter as before
      astray   it is sent to a subscriber of another destination
      cut      its body lacks the last octet
    Faults that happen once:
      error    a SEND is answered by ERROR
      close    a subscriber's connection is closed
    Faults of the beginning:
      refuse   CONNECT is answered by ERROR
      hang_up  CONNECT is answered by the end of the connection
      mute     SUBSCRIBE is not answered
    """

    def __init__(self, fault=None):
        self.fault = fault
        self.faults = 0      # so many were made
        self.delivered = 0   # MESSAGE frames sent, whatever is wrong with them
        self.acknowledged = 0
        self.bad_acks = 0
        self.subscribers = {}  # destination -> [subscriber]
        self.turns = {}        # queue -> SENDs so far
        self.sends = 0
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(
            self.loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=1024))
        self.tcp = self.server.sockets[0].getsockname()[1]
        self.connections = set()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        for connection in list(self.connections):
            connection.transport.abort()
        self.server.close()
        self.loop.run_until_complete(self.server.wait_closed())
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    # -- in the loop's thread
    def on_send(self, connection, frame):
        self.sends += 1
        if self.fault == "error" and self.sends == 50:
            self.faults += 1
            connection.refuse("rate-limited")
            return
        destination = frame.get("destination")
        subscribers = self.subscribers.get(destination, [])
        if destination.startswith("/queue/"):
            turn = self.turns[destination] = self.turns.get(destination, -1) + 1
            subscribers = [subscribers[(turn + index) % len(subscribers)] for index in range(len(subscribers))]
            self.deliver(subscribers[0], destination, frame.body, subscribers[1 % len(subscribers)])
        else:
            for subscriber in list(subscribers):
                self.deliver(subscriber, destination, frame.body, subscriber)

    def deliver(self, subscriber, destination, body, second):
        subscriber.count += 1
        is_faulty = (subscriber.count % FAULT_PERIOD == 0 and subscriber.faults < FAULTS_EACH)
        fault = self.fault if is_faulty else None
        if fault is not None:
            subscriber.faults += 1
        if fault == "swap":
            self.faults += 1
            subscriber.held = (destination, body)
            return
        if fault == "drop":
            self.faults += 1
            return
        if fault == "close" and self.faults == 0:
            self.faults += 1
            subscriber.connection.transport.close()
            return
        if fault == "alter":
            self.faults += 1
            at = ALTERED_AT[subscriber.faults - 1] % len(body)
            body = body[:at] + (b"c" if body[at:at + 1] == b"b" else b"b") + body[at + 1:]
        if fault == "cut":
            self.faults += 1
            body = body[:-1]
        if fault == "astray":
            self.faults += 1
            subscriber = next(other for name, others in self.subscribers.items() if name != destination
                              for other in others)
        subscriber.send(destination, body)
        if fault == "double":
            self.faults += 1
            second.send(destination, body)
        if subscriber.held is not None:
            held, subscriber.held = subscriber.held, None
            subscriber.send(*held)


class Subscriber:
    def __init__(self, connection, frame):
        self.connection = connection
        self.id = frame.get("id")
        self.wants_ack = frame.get("ack") not in (None, "auto")
        self.count = 0   # deliveries that are its due
        self.faults = 0
        self.held = None

    def send(self, destination, body):
        broker = self.connection.broker
        broker.delivered += 1
        headers = {"subscription": self.id, "message-id": str(broker.delivered), "destination": destination,
                   "content-length": str(len(body))}
        if self.wants_ack:
            headers["ack"] = f"a-{broker.delivered}"
            self.connection.unacknowledged.add(headers["ack"])
        self.connection.transport.write(encode("MESSAGE", headers, body))


class Connection(asyncio.Protocol):
    def __init__(self, broker):
        self.broker = broker
        self.reader = FrameReader()
        self.unacknowledged = set()

    def connection_made(self, transport):
        self.transport = transport
        self.broker.connections.add(self)

    def connection_lost(self, _):
        self.broker.connections.discard(self)
        for subscribers in self.broker.subscribers.values():
            subscribers[:] = [one for one in subscribers if one.connection is not self]

    def data_received(self, octets):
        self.reader.feed(octets)
        while not self.transport.is_closing() and (frame := self.reader.next()) is not None:
            getattr(self, "on_" + frame.command.lower())(frame)

    def refuse(self, token):
        self.transport.write(encode("ERROR", {"message": token}))
        self.transport.close()

    def on_connect(self, _):
        if self.broker.fault == "refuse":
            self.refuse("authentication-failed")
        elif self.broker.fault == "hang_up":
            self.transport.close()
        else:
            self.transport.write(encode("CONNECTED", {"version": "1.2"}))

    def on_subscribe(self, frame):
        self.broker.subscribers.setdefault(frame.get("destination"), []).append(Subscriber(self, frame))
        if self.broker.fault != "mute":
            self.transport.write(encode("RECEIPT", {"receipt-id": frame.get("receipt")}))

    def on_send(self, frame):
        self.broker.on_send(self, frame)

    def on_ack(self, frame):
        if frame.get("id") in self.unacknowledged:
            self.unacknowledged.discard(frame.get("id"))
            self.broker.acknowledged += 1
        else:
            self.broker.bad_acks += 1

    def on_disconnect(self, _):
        self.transport.close()
