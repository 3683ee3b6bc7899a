"""Readers of topics that check every octet they get, cheaply enough for thousands of them in one process."""

import select
import socket
import time

from broker_process import read_until

CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\nheart-beat:0,0\n\n\0"
SUBSCRIPTION_ID = "0"
BUFFER_BYTES = 1 << 18
KEPT_BYTES = 4 << 20


def subscribe_frame(destination, subscription_id=SUBSCRIPTION_ID):
    return f"SUBSCRIBE\nid:{subscription_id}\ndestination:{destination}\nreceipt:s\n\n\0".encode()


def body_of(kind, number, size=0):
    """What a Stream expects in a body: its publisher's kind, a number that counts up from 0, and when it was to be sent."""
    return b"%s %d %d " % (kind, number, time.monotonic_ns()) + b"x" * size


class Stream:
    """The octets that all readers of a topic get, as whoever is ahead got them. Subscribers with the same subscription id get the
    same octets, so each frame is taken apart and its number checked once, and all others are only compared."""

    def __init__(self, destination):
        self.destination = destination
        self.octets = bytearray()
        self.base = 0  # position of the first of them
        self.checked = 0  # of them, whole frames
        self.next_number = {}
        self.lost = 0
        self.due = []  # (position of its end, when it was to be sent) of each message that is timed
        self.timed_kind = None

    @property
    def end(self):
        return self.base + len(self.octets)

    def take(self, position, piece):
        """Whether the piece is what comes at the position; what is beyond the end is appended."""
        known = min(len(piece), self.end - position)
        if not self.octets.startswith(piece[:known], position - self.base):
            return False
        if known < len(piece):
            self.octets += piece[known:]
            return self._check_frames()
        return True

    def _check_frames(self):
        while (end := self.octets.find(b"\0", self.checked)) >= 0 and self.octets.startswith(b"MESSAGE\n", self.checked):
            body = self.octets.find(b"\n\n", self.checked) + 2
            kind, number, due_ns = self.octets[body:body + 64].split(b" ", 3)[:3]
            kind = bytes(kind)
            self.lost += abs(int(number) - self.next_number.get(kind, 0))
            self.next_number[kind] = int(number) + 1
            self.checked = end + 1
            if kind == self.timed_kind:
                self.due.append((self.base + self.checked, int(due_ns)))
        # An ERROR is for one reader alone.
        is_for_all = len(self.octets) == self.checked or self.octets.startswith(b"M", self.checked)
        if not is_for_all:
            del self.octets[self.checked:]
        return is_for_all

    def forget_before(self, position):
        """Requires: nobody is there any more."""
        count = min(position - self.base, self.checked)
        del self.octets[:count]
        self.base += count
        self.checked -= count


class Reader:
    def __init__(self, port, stream):
        self.stream = stream
        self.position = 0
        self.ended = None  # why
        self.last_read = 0.0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(CONNECT + subscribe_frame(stream.destination))
        self.peer = "%s:%d" % self.socket.getsockname()
        read_until(self.socket, b"receipt-id:s\n\n\0")
        self.socket.setblocking(False)


class CheckedReaders:
    """`count` readers, spread over the destinations. One thread, driven by turn()."""

    def __init__(self, port, destinations, count):
        self.streams = [Stream(destination) for destination in destinations]
        self.poll = select.epoll()
        self.readers = {}
        self.readers_of = {stream: [] for stream in self.streams}
        for number in range(count):
            reader = Reader(port, self.streams[number % len(self.streams)])
            self.readers[reader.socket.fileno()] = reader
            self.readers_of[reader.stream].append(reader)
            self.poll.register(reader.socket, select.EPOLLIN)
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.octets = self.messages = 0
        self.differing = 0
        self.longest_gap = 0.0
        self.latencies_ns = []

    def turn(self, timeout):
        events = self.poll.poll(timeout)
        now = time.monotonic()
        for descriptor, _ in events:
            self._read(self.readers[descriptor], now)

    def begin_gaps(self):
        self.longest_gap = 0.0
        for reader in self.readers.values():
            reader.last_read = time.monotonic()

    def longest_gap_now(self):
        """The longest time since begin_gaps() that a reader got nothing, while it was connected."""
        now = time.monotonic()
        return max([self.longest_gap, *(now - reader.last_read for reader in self.readers.values() if not reader.ended)])

    def time_messages(self, kind):
        """From now on latencies are of messages of this kind, None for no more."""
        for stream in self.streams:
            stream.timed_kind = kind
            stream.due.clear()

    def take_latencies(self):
        taken, self.latencies_ns = sorted(self.latencies_ns), []
        return taken

    def ended(self):
        return [reader for reader in self.readers.values() if reader.ended]

    def behind(self):
        """How many have not got all that the topic's others got."""
        return sum(not reader.ended and reader.position != reader.stream.end for reader in self.readers.values())

    def _read(self, reader, now):
        try:
            count = reader.socket.recv_into(self.buffer)
        except BlockingIOError:
            return
        except OSError as error:
            count = self._end(reader, error.strerror)
        if not count:
            self._end(reader, "closed")
            return
        piece = self.buffer[:count]
        stream = reader.stream
        if not stream.take(reader.position, piece):
            self._take_last(reader, bytes(piece))
            return
        reader.position += count
        self.octets += count
        self.messages += piece.obj.count(b"\0", 0, count)
        self.longest_gap = max(self.longest_gap, now - reader.last_read)
        reader.last_read = now
        if stream.due and stream.due[-1][0] > reader.position - count:
            now_ns = time.monotonic_ns()
            self.latencies_ns += [now_ns - due_ns for end, due_ns in stream.due if reader.position - count < end <= reader.position]
        if len(stream.octets) > KEPT_BYTES:
            stream.forget_before(min((other.position for other in self.readers_of[stream]), default=stream.end))

    def _take_last(self, reader, piece):
        error = piece.find(b"ERROR\n")
        if error >= 0:
            self._end(reader, piece[error:error + 60].decode(errors="replace"))
        else:
            self.differing += 1
            self._end(reader, "it got other octets")

    def _end(self, reader, why):
        if reader.ended:
            return 0
        reader.ended = why
        self.poll.unregister(reader.socket)
        self.readers_of[reader.stream].remove(reader)
        return 0
