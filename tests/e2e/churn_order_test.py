"""Order and exactly-once on the real broker: 4 shards, 8 publishers, 50 destinations, 500 subscribers that come and go.

What is promised, and checked here for every subscription:
- one publisher's messages to one destination arrive in their order, none lost, none twice;
- nothing published after the RECEIPT of SUBSCRIBE is missing, and at the end nothing that was acknowledged is;
- two subscribers of one destination never disagree about its order: as each of them sees an unbroken stretch of it, every
  message-id has the same successor wherever it has one;
- nothing comes behind the RECEIPT of UNSUBSCRIBE.
"""

import asyncio
import os
import random
import time
import unittest

from broker import Broker, seconds
from wire import encode

PUBLISHERS = 8
DESTINATIONS = 50
SUBSCRIBERS = 500
RUN_SECONDS = 8.0
PUBLISH_WINDOW = 8         # frames a publisher may have unacknowledged
PUBLISH_PAUSE = 0.012      # between two frames of one publisher: some 600 SEND/s, about 6,500 MESSAGE/s together
WAIT = seconds(15)


class Ledger:
    """What was published and acknowledged, and the order that all subscribers together have seen."""

    def __init__(self):
        self.next = [[0] * DESTINATIONS for _ in range(PUBLISHERS)]          # the next number to be written
        self.acknowledged = [[0] * DESTINATIONS for _ in range(PUBLISHERS)]  # all below have their RECEIPT
        self.old_acknowledged = [[0] * DESTINATIONS for _ in range(PUBLISHERS)]  # the same, a second or more ago
        self.successor = [{} for _ in range(DESTINATIONS)]
        self.delivered = 0
        self.subscriptions = 0

    def next_of(self, destination):
        return [row[destination] for row in self.next]


def name_of(destination):
    return f"/topic/churn.{destination}.x"


class Stretch:
    """What one subscription has seen of one destination."""

    def __init__(self, ledger, destination, owner):
        self.ledger, self.destination, self.owner = ledger, destination, owner
        self.expected = [None] * PUBLISHERS
        # At most these may come first: lower numbers may have been on their way, higher ones would be a loss.
        self.first_max = ledger.next_of(destination)
        self.last_id = None

    def take(self, message_id, publisher, number):
        expected = self.expected[publisher]
        if expected is None:
            assert number <= self.first_max[publisher], \
                f"{self.owner}: starts with {number} of publisher {publisher}, lost from {self.first_max[publisher]}"
        else:
            assert number == expected, f"{self.owner}: {number} of publisher {publisher} instead of {expected}"
        self.expected[publisher] = number + 1
        if self.last_id is not None:
            known = self.ledger.successor[self.destination].setdefault(self.last_id, message_id)
            assert known == message_id, f"{self.owner}: {message_id} follows {self.last_id}, others saw {known}"
        assert self.last_id != message_id, f"{self.owner}: {message_id} twice"
        self.last_id = message_id

    def has_all_below(self, acknowledged):
        """Whether all that `acknowledged` tells of, and that we were subscribed for, has come."""
        for publisher in range(PUBLISHERS):
            due = acknowledged[publisher][self.destination]
            if due > self.first_max[publisher] and (self.expected[publisher] or 0) < due:
                return False
        return True


class Connection:
    async def open(self, port):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        self.writer.write(encode("CONNECT", {"accept-version": "1.2", "host": "localhost"}))
        frame = await self.frame()
        assert frame.startswith("CONNECTED\n"), frame
        return self

    async def frame(self):
        octets = await asyncio.wait_for(self.reader.readuntil(b"\0"), WAIT)
        return octets[:-1].decode()

    def close(self):
        self.writer.close()


async def publisher(number, port, ledger, stop, dice):
    connection = await Connection().open(port)
    pending = []
    acknowledge = asyncio.Event()

    async def take_receipts():
        while True:
            frame = await connection.frame()
            assert frame.startswith("RECEIPT\n"), frame
            destination, sequence = pending.pop(0)
            assert f"receipt-id:{destination}-{sequence}\n" in frame, f"{frame!r} instead of {destination}-{sequence}"
            ledger.acknowledged[number][destination] = sequence + 1
            acknowledge.set()

    receipts = asyncio.create_task(take_receipts())
    try:
        while not stop.is_set():
            destination = dice.randrange(DESTINATIONS)
            sequence = ledger.next[number][destination]
            ledger.next[number][destination] = sequence + 1
            pending.append((destination, sequence))
            connection.writer.write(encode("SEND", {"destination": name_of(destination),
                                                    "receipt": f"{destination}-{sequence}"},
                                           b"%d %d %d" % (number, destination, sequence)))
            while len(pending) >= PUBLISH_WINDOW:
                acknowledge.clear()
                await asyncio.wait_for(acknowledge.wait(), WAIT)
                if receipts.done():
                    receipts.result()
            await asyncio.sleep(PUBLISH_PAUSE)
        while pending:
            acknowledge.clear()
            await asyncio.wait_for(acknowledge.wait(), WAIT)
    finally:
        receipts.cancel()
        connection.close()


async def subscriber(number, port, ledger, stop, dice, opened):
    """Subscribes, listens for a while, leaves (properly, abruptly, or only the subscription), and again."""
    connection = await Connection().open(port)
    opened()
    is_pattern = number % 10 == 0
    lives = 0
    while True:
        lives += 1
        ledger.subscriptions += 1
        destination = dice.randrange(DESTINATIONS)
        owner = f"subscriber {number}, life {lives}"
        text = f"/topic.churn/{destination}.*" if is_pattern else name_of(destination)
        connection.writer.write(encode("SUBSCRIBE", {"id": f"sub-{lives % 3}", "destination": text, "receipt": "in"}))
        early = []
        while not (frame := await connection.frame()).startswith("RECEIPT\n"):
            early.append(frame)
        stretch = Stretch(ledger, destination, owner)

        def take(frame):
            assert frame.startswith("MESSAGE\n"), f"{owner}: {frame!r}"
            head, body = frame.split("\n\n", 1)
            source, to, sequence = map(int, body.split())
            assert to == destination, f"{owner}: a message for {to} on {destination}"
            assert f"\nsubscription:sub-{lives % 3}\n" in head, f"{owner}: {head!r}"
            stretch.take(head.split("\nmessage-id:", 1)[1].split("\n", 1)[0], source, sequence)
            ledger.delivered += 1

        for frame in early:
            take(frame)
        end = time.monotonic() + dice.uniform(0.2, 3.0)
        while not stop.is_set():
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                octets = await asyncio.wait_for(connection.reader.readuntil(b"\0"), left)
            except asyncio.TimeoutError:
                break
            take(octets[:-1].decode())
        if stop.is_set():
            # The publishers have stopped and have every RECEIPT: the rest must come now.
            until = time.monotonic() + WAIT
            while not stretch.has_all_below(ledger.acknowledged):
                assert time.monotonic() < until, f"{owner}: something that was acknowledged never came"
                take(await connection.frame())
        way = dice.random()
        if way < 0.15 and not stop.is_set():
            connection.writer.transport.abort()
            connection = await Connection().open(port)
            continue
        due = ledger.old_acknowledged
        connection.writer.write(encode("UNSUBSCRIBE", {"id": f"sub-{lives % 3}", "receipt": "out"}))
        while not (frame := await connection.frame()).startswith("RECEIPT\n"):
            take(frame)
        assert stretch.has_all_below(due), f"{owner}: something acknowledged a second before UNSUBSCRIBE never came"
        if stop.is_set() or way < 0.3:
            connection.writer.write(encode("DISCONNECT", {"receipt": "bye"}))
            frame = await connection.frame()
            assert frame == "RECEIPT\nreceipt-id:bye\n\n", f"{owner}: behind the RECEIPT of UNSUBSCRIBE: {frame!r}"
            assert await asyncio.wait_for(connection.reader.read(), WAIT) == b"", owner
            connection.close()
            if stop.is_set():
                return
            connection = await Connection().open(port)


async def keep_old(ledger):
    while True:
        snapshot = [list(row) for row in ledger.acknowledged]
        await asyncio.sleep(1.0)
        ledger.old_acknowledged = snapshot


async def run(port, seed):
    ledger = Ledger()
    stop_publishing, stop = asyncio.Event(), asyncio.Event()
    count = 0
    all_open = asyncio.Event()

    def opened():
        nonlocal count
        count += 1
        if count == SUBSCRIBERS:
            all_open.set()

    subscribers = [asyncio.create_task(subscriber(n, port, ledger, stop, random.Random(f"{seed} s{n}"), opened))
                   for n in range(SUBSCRIBERS)]
    old = asyncio.create_task(keep_old(ledger))
    watch = asyncio.gather(*subscribers)
    await asyncio.wait([watch, asyncio.create_task(all_open.wait())], timeout=WAIT, return_when=asyncio.FIRST_COMPLETED)
    assert all_open.is_set() or watch.done(), f"only {count} of {SUBSCRIBERS} subscribers could connect"
    publishers = asyncio.gather(*(publisher(n, port, ledger, stop_publishing, random.Random(f"{seed} p{n}"))
                                  for n in range(PUBLISHERS)))
    await asyncio.wait([watch, publishers], timeout=RUN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    # After a failure too: who is not told to stop would be waited for without end.
    stop_publishing.set()
    if watch.done():
        stop.set()
        watch.result()
    await publishers
    stop.set()
    await asyncio.wait_for(watch, WAIT * 2)
    old.cancel()
    return ledger


class ChurnOrder(unittest.TestCase):
    def test_order_and_exactly_once_under_churn(self):
        seed = os.environ.get("STAMPEDE_TEST_SEED", "1")
        with Broker(shards=4) as broker:
            ledger = asyncio.run(run(broker.tcp, seed))
            sent = sum(map(sum, ledger.acknowledged))
            print(f"{sent} SENDs, {ledger.delivered} MESSAGEs, {ledger.subscriptions} subscriptions", flush=True)
            self.assertGreater(ledger.delivered, 1000)
            self.assertGreater(ledger.subscriptions, SUBSCRIBERS)
            broker.wait_for_empty_tables()


if __name__ == "__main__":
    unittest.main()
