"""Clients that do what no client should: they stop reading, or come and go in storms without a goodbye."""

import errno
import selectors
import socket
import struct
import time

CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0"
TCP_ESTABLISHED = 1
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends a reset


def subscribe_frame(destination):
    return f"SUBSCRIBE\nid:0\ndestination:{destination}\n\n\0".encode()


class Guests:
    """Keeps `stuck` connections that subscribe to `stuck_on` and never read, and lets `storm` connections come at once, every
    `storm_every` seconds, which subscribe to `storm_on`, read until they have a message and go with a reset. One thread,
    driven by turn()."""

    def __init__(self, address, stuck, stuck_on, storm, storm_on, storm_every):
        self.address = address
        self.stuck_wanted, self.stuck_on = stuck, stuck_on
        self.storm_size, self.storm_on, self.storm_every = storm, storm_on, storm_every
        self.selector = selectors.DefaultSelector()
        self.connecting, self.stuck, self.storming = {}, set(), set()
        self.next_storm = time.monotonic() + storm_every
        self.came = self.refused = 0

    def turn(self, seconds):
        """Goes on for so long."""
        until = time.monotonic() + seconds
        self._replace_ended()
        while (now := time.monotonic()) < until:
            if now >= self.next_storm:
                self.next_storm = now + self.storm_every
                for _ in range(self.storm_size):
                    self._come(self.storming, self.storm_on)
            for key, _ in self.selector.select(min(0.1, until - now)):
                if key.fileobj in self.connecting:
                    self._greet(key.fileobj)
                else:
                    self._read(key.fileobj)

    def leave(self):
        for client in [*self.stuck, *self.storming, *self.connecting]:
            self._go(client)

    def _replace_ended(self):
        """Whether a client that does not read is still connected, only its socket's state tells."""
        for client in list(self.stuck):
            if client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != TCP_ESTABLISHED:
                self._go(client)
        waiting = sum(group is self.stuck for group, _ in self.connecting.values())
        for _ in range(self.stuck_wanted - len(self.stuck) - waiting):
            self._come(self.stuck, self.stuck_on, receive_buffer=4096)

    def _come(self, group, destination, receive_buffer=0):
        client = socket.socket()
        client.setblocking(False)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if client.connect_ex(self.address) not in (0, errno.EINPROGRESS):
            self.refused += 1
            client.close()
            return
        self.came += 1
        self.connecting[client] = group, CONNECT + subscribe_frame(destination)
        self.selector.register(client, selectors.EVENT_WRITE)

    def _greet(self, client):
        group, octets = self.connecting.pop(client)
        self.selector.unregister(client)
        try:
            client.send(octets)
        except OSError:
            self.refused += 1
            return self._go(client)
        group.add(client)
        if group is self.storming:
            self.selector.register(client, selectors.EVENT_READ)
        return None

    def _read(self, client):
        try:
            octets = client.recv(65536)
        except OSError:
            octets = b""
        if not octets or b"MESSAGE\n" in octets:
            self._go(client)

    def _go(self, client):
        if client in self.selector.get_map():
            self.selector.unregister(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        self.connecting.pop(client, None)
        self.stuck.discard(client)
        self.storming.discard(client)
