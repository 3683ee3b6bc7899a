"""Clients that press a broker to its limit of memory, each kind in a process of its own: see flood() and never_read()."""

import heapq
import multiprocessing
import os
import select
import socket
import time

from checked_readers import CONNECT, body_of, subscribe_frame

BATCH = 16
WINDOW = 8
COME_BACK_SECONDS = 5.0  # as stompjs does
FLOOD = b"flood"


class Loader:
    """A process that runs `work(is_over, *arguments)` until it is told that it is over; stop() gives what the work returns."""

    def __init__(self, work, *arguments):
        context = multiprocessing.get_context("fork")
        self.is_over = context.Event()
        self.ours, theirs = context.Pipe()
        self.process = context.Process(target=lambda: theirs.send(work(self.is_over, *arguments)))

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        if self.process.is_alive():
            self.process.kill()
        self.process.join()

    def tell(self):
        self.is_over.set()

    def has_result(self):
        return self.ours.poll() or not self.process.is_alive()

    def stop(self):
        self.tell()
        result = self.ours.recv()
        self.process.join()
        return result


class Publisher:
    """Goes through its topics in turn, with bodies of 1 to 4 KiB, as fast as the broker takes them: it waits only while the receipts of
    WINDOW batches are missing, so that little is under way when the load ends."""

    def __init__(self, port, destinations):
        self.destinations = destinations
        self.numbers = [0] * len(destinations)
        self.turn = 0
        self.batches = self.receipts = 0
        self.unsent = memoryview(CONNECT)
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)

    def make_batch(self):
        frames = []
        for place_in_batch in range(BATCH):
            place = self.turn % len(self.destinations)
            number = self.numbers[place]
            receipt = b"receipt:b\n" if place_in_batch == BATCH - 1 else b""
            frames.append(b"SEND\ndestination:%s\n%s\n%s\0" % (self.destinations[place].encode(), receipt,
                                                                body_of(FLOOD, number, 1024 + number * 997 % 3000)))
            self.numbers[place] += 1
            self.turn += 1
        self.batches += 1
        return b"".join(frames)

    def write(self, may_begin):
        while self.unsent or (may_begin and self.batches - self.receipts < WINDOW):
            self.unsent = self.unsent or memoryview(self.make_batch())
            try:
                self.unsent = self.unsent[self.socket.send(self.unsent):]
            except BlockingIOError:
                return

    def read(self):
        octets = self.socket.recv(65536)
        if not octets or b"ERROR\n" in octets:
            raise SystemExit(f"a publisher was ended: {octets!r}")
        self.receipts += octets.count(b":b\n\n\0")

    def is_done(self):
        return not self.unsent and self.receipts == self.batches


def flood(is_over, port, destinations, count):
    """Publishers that never stop. Gives how many messages each destination got, once the broker has them all."""
    publishers = {}
    poll = select.epoll()
    for number in range(count):
        publisher = Publisher(port, destinations[number::count])
        publishers[publisher.socket.fileno()] = publisher
        poll.register(publisher.socket, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
    while not (is_over.is_set() and all(publisher.is_done() for publisher in publishers.values())):
        for descriptor, events in poll.poll(0.1):
            if events & select.EPOLLIN:
                publishers[descriptor].read()
            publishers[descriptor].write(not is_over.is_set())
    return {destination: number for publisher in publishers.values()
            for destination, number in zip(publisher.destinations, publisher.numbers)}


class NeverReaders:
    """Subscribers that never read, and come back COME_BACK_SECONDS after they were ended, as clients do. Each second one has a
    subscription id of its own, and so a log of its own in the broker; the others share one with those who read."""

    def __init__(self, port, destinations, count):
        self.port, self.destinations = port, destinations
        self.poll = select.epoll()
        self.sockets = {}
        self.coming = [(0.0, number) for number in range(count)]
        self.came = 0

    def turn(self):
        now = time.monotonic()
        while self.coming and self.coming[0][0] <= now:
            self._come(heapq.heappop(self.coming)[1])
        for descriptor, events in self.poll.poll(0.05):
            client, number = self.sockets[descriptor]
            if events & select.EPOLLIN and not events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP):
                continue
            del self.sockets[descriptor]
            client.close()
            heapq.heappush(self.coming, (time.monotonic() + COME_BACK_SECONDS, number))

    def _come(self, number):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", self.port))
        destination = self.destinations[number % len(self.destinations)]
        is_alone = number // len(self.destinations) % 2
        try:
            client.sendall(CONNECT + subscribe_frame(destination, *([f"own-{number}"] if is_alone else [])))
        except OSError:
            pass  # the poll will say so
        self.sockets[client.fileno()] = client, number
        self.poll.register(client, select.EPOLLRDHUP)
        self.came += 1


def never_read(is_over, port, destinations, count):
    """Gives how many times one of them came."""
    os.nice(1)  # those who read go first
    clients = NeverReaders(port, destinations, count)
    while not is_over.is_set():
        clients.turn()
    return clients.came
