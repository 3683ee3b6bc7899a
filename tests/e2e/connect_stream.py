"""A stream of clients that connect, get CONNECTED, and leave: so many a second, whatever becomes of those before."""

import base64
import os
import selectors
import socket
import struct
import threading
import time

from broker import seconds
from wire import encode, ws_frame

HANDSHAKE = ("GET /stomp HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v12.stomp\r\nSec-WebSocket-Key: "
             + base64.b64encode(os.urandom(16)).decode() + "\r\n\r\n").encode()
CONNECT = encode("CONNECT", {"accept-version": "1.2", "host": "x"})


class Visitor:
    """One client; `failure` says what went wrong."""

    def __init__(self, port, is_websocket):
        self.began = time.monotonic()
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.octets = b""
        self.is_connected = False
        self.failure = None
        self.to_send = HANDSHAKE + ws_frame(1, CONNECT) if is_websocket else CONNECT
        self.sock.connect_ex(("127.0.0.1", port))

    def on_writable(self):
        error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.failure = f"connect: {os.strerror(error)}"
            return False
        self.sock.sendall(self.to_send)
        return True

    def on_readable(self):
        """False: it is done."""
        try:
            octets = self.sock.recv(65536)
        except ConnectionError as error:
            octets, self.failure = b"", None if self.is_connected else repr(error)
        self.octets += octets
        self.is_connected = self.is_connected or b"CONNECTED" in self.octets
        if not octets and not self.is_connected and self.failure is None:
            self.failure = f"ended before CONNECTED: {self.octets[:200]!r}"
        return bool(octets) and not self.is_connected


class ConnectStream:
    """`with ConnectStream(broker.ws, broker.tcp, rate=500) as stream: ...`; then stream.failures, stream.connected."""

    def __init__(self, ws, tcp, rate):
        self.ports = [(ws, True), (tcp, False)]
        self.rate = rate
        self.connected = 0
        self.failures = []
        self.longest = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()

    def _run(self):
        selector = selectors.DefaultSelector()
        started = 0
        begin = time.monotonic()
        patience = seconds(15)
        waiting = set()
        while not self._ending.is_set() or waiting:
            now = time.monotonic()
            if not self._ending.is_set():
                while started < (now - begin) * self.rate:
                    visitor = Visitor(*self.ports[started % 2])
                    started += 1
                    waiting.add(visitor)
                    selector.register(visitor.sock, selectors.EVENT_WRITE, visitor)
            for key, events in selector.select(0.002):
                self._on_event(selector, waiting, key.data, events)
            for visitor in [one for one in waiting if now - one.began > patience]:
                visitor.failure = f"nothing came in time: {visitor.octets[:200]!r}"
                self._end(selector, waiting, visitor)
        selector.close()

    def _on_event(self, selector, waiting, visitor, events):
        if events & selectors.EVENT_WRITE:
            if visitor.on_writable():
                selector.modify(visitor.sock, selectors.EVENT_READ, visitor)
                return
        elif visitor.on_readable():
            return
        self._end(selector, waiting, visitor)

    def _end(self, selector, waiting, visitor):
        selector.unregister(visitor.sock)
        waiting.discard(visitor)
        if visitor.failure is None:
            self.connected += 1
            self.longest = max(self.longest, time.monotonic() - visitor.began)
        else:
            self.failures.append(visitor.failure)
        # No TIME_WAIT is left: a long run would be out of ports.
        visitor.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        visitor.sock.close()
