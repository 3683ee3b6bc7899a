"""STOMP clients over plain sockets that say exactly what they are told to, right or wrong.

TcpClient and WsClient have the same face: send() octets, then frame(), expect_*() with a deadline. WsClient
masks by hand, so that it can send frames that no library would.
"""

import base64
import hashlib
import itertools
import os
import socket
import struct
import time

from broker import seconds

TIMEOUT = 5.0
_unique = itertools.count()


def unique(prefix="/topic/t"):
    """A destination of one's own in a shared broker."""
    return f"{prefix}{next(_unique)}"


class Closed(AssertionError):
    """The connection ended where something was expected."""


class Frame:
    def __init__(self, raw, command, headers, body, opcode=None):
        self.raw = raw          # all octets, the NUL included
        self.command = command
        self.headers = headers  # [(name, value)], still escaped
        self.body = body
        self.opcode = opcode    # of the WebSocket message it came in

    def all(self, name):
        return [value for key, value in self.headers if key == name]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.raw!r}>" if len(self.raw) < 600 else f"<{self.raw[:600]!r}...>"


class FrameReader:
    """Server octets in, frames and end-of-line octets (heart-beats) out."""

    def __init__(self):
        self.buffer = b""
        self.beats = 0

    def feed(self, octets):
        self.buffer += octets

    def next(self):
        while self.buffer[:1] == b"\n":
            self.buffer = self.buffer[1:]
            self.beats += 1
        end = self.buffer.find(b"\n\n")
        if end < 0:
            return None
        lines = self.buffer[:end].decode("utf-8", "surrogateescape").split("\n")
        headers = [tuple(line.split(":", 1)) for line in lines[1:]]
        for header in headers:
            assert len(header) == 2, f"a header line without a colon: {self.buffer[:end]!r}"
        body_at = end + 2
        length = next((int(value) for name, value in headers if name == "content-length"), None)
        if length is None:
            body_end = self.buffer.find(b"\0", body_at)
            if body_end < 0:
                return None
        else:
            body_end = body_at + length
            if len(self.buffer) <= body_end:
                return None
            assert self.buffer[body_end] == 0, f"no NUL behind content-length: {self.buffer[:200]!r}"
        raw, self.buffer = self.buffer[:body_end + 1], self.buffer[body_end + 1:]
        return Frame(raw, lines[0], headers, raw[body_at:body_end])


def encode(command, headers=(), body=b""):
    """A frame from text that is escaped already: what is given is what is sent."""
    if isinstance(headers, dict):
        headers = headers.items()
    head = command + "\n" + "".join(f"{name}:{value}\n" for name, value in headers) + "\n"
    return head.encode("utf-8", "surrogateescape") + body + b"\0"


class Client:
    """What both transports share."""

    transport = None

    def __init__(self, sock):
        self.sock = sock
        self.reader = FrameReader()
        self.got_close_code = None

    # -- out
    def send_frame(self, command, headers=(), body=b""):
        self.send(encode(command, headers, body))

    def connect(self, version="1.2", **headers):
        fields = {"accept-version": version, "host": "localhost"} if version != "1.0" else {}
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        self.send_frame("CONNECT", fields)
        connected = self.expect("CONNECTED")
        assert connected.get("version") in (version, None) or "," in version, connected
        return connected

    def subscribe(self, destination, id="0", **headers):
        """SUBSCRIBE, and its RECEIPT: from here on every SEND reaches us."""
        fields = {"destination": destination, "receipt": f"subscribed-{id}"}
        if id is not None:
            fields["id"] = id
        fields.update(headers)
        self.send_frame("SUBSCRIBE", fields)
        self.expect_receipt(f"subscribed-{id}")

    def publish(self, destination, body=b"", **headers):
        fields = {"destination": destination}
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        self.send_frame("SEND", fields, body)

    # -- in
    def frame(self, timeout=TIMEOUT):
        """The next frame; end-of-line octets before it are counted in reader.beats."""
        end = time.monotonic() + seconds(timeout)
        while True:
            frame = self._next_frame()
            if frame is not None:
                return frame
            if not self._fill(end):
                raise Closed(f"the connection ended (code {self.got_close_code}) instead of a frame; "
                             f"left over: {self.reader.buffer!r}")

    def expect(self, command, timeout=TIMEOUT):
        frame = self.frame(timeout)
        assert frame.command == command, f"expected {command}, got {frame!r}"
        return frame

    def expect_receipt(self, receipt_id, timeout=TIMEOUT):
        frame = self.expect("RECEIPT", timeout)
        assert frame.get("receipt-id") == receipt_id, f"expected the receipt {receipt_id}, got {frame!r}"
        assert frame.body == b"", frame
        return frame

    def expect_message(self, body=None, timeout=TIMEOUT):
        frame = self.expect("MESSAGE", timeout)
        if body is not None:
            assert frame.body == body, f"expected the body {body!r}, got {frame!r}"
        return frame

    def expect_error(self, token, close_code=1002, receipt=None, timeout=TIMEOUT):
        """ERROR in the contract's form, nothing behind it, then the end with the WebSocket close code."""
        tokens = (token,) if isinstance(token, str) else token
        codes = (close_code,) if isinstance(close_code, int) else close_code
        frame = self.expect("ERROR", timeout)
        assert frame.get("message") in tokens, f"expected ERROR {token}, got {frame!r}"
        assert frame.get("content-type") == "text/plain", frame
        assert frame.get("content-length") == str(len(frame.body)), frame
        assert len(frame.body) > 0, frame
        assert b"\n" not in frame.body.strip(), f"more than one sentence: {frame!r}"
        assert frame.get("receipt-id") == receipt, f"expected receipt-id {receipt!r}, got {frame!r}"
        code = self.expect_end(timeout)
        if self.transport == "ws":
            assert code in codes, f"expected the close code {close_code}, got {code} behind {frame!r}"
        return frame

    def fence(self, name=None):
        """All that was sent before has been processed, and nothing but the RECEIPT came."""
        name = name or f"fence-{next(_unique)}"
        self.send_frame("SEND", {"destination": "/topic/fence", "receipt": name})
        self.expect_receipt(name)

    def _next_frame(self):
        return self.reader.next()

    def reset(self):
        """Vanishes: the peer sees RST, no close handshake."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def _recv(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise AssertionError(f"nothing within the deadline; so far: {self.reader.buffer!r}")
        self.sock.settimeout(left)
        try:
            return self.sock.recv(65536)
        except socket.timeout:
            raise AssertionError(f"nothing within the deadline; so far: {self.reader.buffer!r}") from None
        except ConnectionResetError:
            raise Closed("the connection was reset: an ERROR or a close frame may be lost that way") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def dial(port, receive_buffer=None):
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(seconds(TIMEOUT))
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class TcpClient(Client):
    transport = "tcp"

    def __init__(self, broker, receive_buffer=None):
        super().__init__(dial(broker.tcp, receive_buffer))

    def send(self, octets):
        self.sock.settimeout(seconds(TIMEOUT))
        self.sock.sendall(octets)

    def _fill(self, end):
        octets = self._recv(end)
        self.reader.feed(octets)
        return bool(octets)

    def expect_end(self, timeout=TIMEOUT):
        end = time.monotonic() + seconds(timeout)
        while self._fill(end):
            pass
        assert self.reader.next() is None and not self.reader.buffer, \
            f"something came behind the last frame: {self.reader.buffer!r}"
        return None


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def ws_frame(opcode, payload=b"", fin=True, mask=b"\x37\xfa\x21\x3d", rsv=0, form=None, length=None):
    """One client frame. form 7, 16 or 64 forces the length's form; length forces its value; mask None sends it bare."""
    length = len(payload) if length is None else length
    form = form or (7 if length < 126 else 16 if length < 65536 else 64)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = 0x80 if mask is not None else 0
    if form == 7:
        head = struct.pack("!BB", first, masked | length)
    elif form == 16:
        head = struct.pack("!BBH", first, masked | 126, length)
    else:
        head = struct.pack("!BBQ", first, masked | 127, length)
    if mask is None:
        return head + payload
    if payload:
        pattern = (mask * (len(payload) // 4 + 1))[:len(payload)]
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(len(payload), "big")
    return head + mask + payload


class HttpAnswer:
    def __init__(self, head, rest):
        lines = head.decode("latin-1").split("\r\n")
        self.status_line = lines[0]
        self.status = int(lines[0].split(" ")[1])
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        self.rest = rest

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.status_line} {self.headers}>"


def read_http_answer(sock, timeout=TIMEOUT):
    end = time.monotonic() + seconds(timeout)
    octets = b""
    while b"\r\n\r\n" not in octets:
        left = end - time.monotonic()
        assert left > 0, f"no whole HTTP answer: {octets!r}"
        sock.settimeout(left)
        more = sock.recv(65536)
        if not more:
            raise Closed(f"the connection ended before the HTTP answer was whole: {octets!r}")
        octets += more
    head, rest = octets.split(b"\r\n\r\n", 1)
    return HttpAnswer(head, rest)


def upgrade_request(broker, path="/stomp", key=None, protocols=("v12.stomp",), extra=(), without=()):
    """The lines of a right opening handshake, for tests to spoil."""
    key = key or base64.b64encode(os.urandom(16)).decode()
    lines = [("Host", f"127.0.0.1:{broker.ws}"), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
             ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", "13")]
    if protocols:
        lines.append(("Sec-WebSocket-Protocol", ", ".join(protocols)))
    lines = [line for line in lines if line[0] not in without] + list(extra)
    return (f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines) + "\r\n").encode()


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


class WsClient(Client):
    """Each STOMP frame of the server must come in one message of its own."""

    transport = "ws"

    def __init__(self, broker, path="/stomp", protocols=("v12.stomp",), opcode=TEXT, request=None, behind=b"",
                 receive_buffer=None):
        super().__init__(dial(broker.ws, receive_buffer))
        self.opcode = opcode
        self.sock.sendall((request or upgrade_request(broker, path, protocols=protocols)) + behind)
        self.answer = read_http_answer(self.sock)
        assert self.answer.status == 101, self.answer
        self.octets = self.answer.rest
        self.pongs = []
        self.pings = 0
        self.answers_pings = False
        self.beats_alone = 0
        self.ended = False

    def send(self, octets):
        """One message; octets that are no UTF-8 go as binary."""
        opcode = self.opcode
        if opcode == TEXT:
            try:
                octets.decode("utf-8")
            except UnicodeDecodeError:
                opcode = BINARY
        self.send_raw(ws_frame(opcode, octets))

    def send_raw(self, octets):
        self.sock.settimeout(seconds(TIMEOUT))
        self.sock.sendall(octets)

    def _fill(self, end):
        """One WebSocket frame; False at the end of the connection."""
        frame = self.ws_frame(end - time.monotonic(), real_seconds=True)
        if frame is None:
            return False
        opcode, payload = frame
        assert self.got_close_code is None, f"a frame behind the close frame: {opcode} {payload!r}"
        if opcode in (TEXT, BINARY):
            if opcode == TEXT:
                payload.decode("utf-8")
            assert not self.reader.buffer, "the message before held half a frame"
            if payload == b"\n":
                self.reader.beats += 1
            else:
                assert payload[-1:] == b"\0" and payload[:1] != b"\n", f"not exactly one frame in a message: {payload!r}"
                self.reader.feed(payload)
                self.message_opcode = opcode
        elif opcode == PING:
            self.pings += 1
            if self.answers_pings:
                self.send_raw(ws_frame(PONG, payload))
        elif opcode == PONG:
            self.pongs.append(payload)
        elif opcode == CLOSE:
            self.got_close_code = struct.unpack("!H", payload[:2])[0] if payload else 1005
            payload[2:].decode("utf-8")
        else:
            raise AssertionError(f"an unexpected frame: opcode {opcode} {payload!r}")
        return True

    def _next_frame(self):
        frame = self.reader.next()
        if frame is not None:
            frame.opcode = self.message_opcode
            assert not self.reader.buffer, f"more than one frame in a message: {self.reader.buffer!r}"
        return frame

    def ws_frame(self, timeout=TIMEOUT, real_seconds=False):
        """(opcode, payload) of the next frame, None at the end. The server never fragments nor masks."""
        end = time.monotonic() + (timeout if real_seconds else seconds(timeout))
        while True:
            octets = self.octets
            if len(octets) >= 2:
                first, second = octets[0], octets[1]
                assert first & 0x70 == 0, f"an RSV bit is set: {octets[:20]!r}"
                assert first & 0x80, f"a fragment: {octets[:20]!r}"
                assert not second & 0x80, f"a masked server frame: {octets[:20]!r}"
                length, at = second, 2
                if length == 126 and len(octets) >= 4:
                    length, at = struct.unpack("!H", octets[2:4])[0], 4
                    assert length >= 126, "the length is not in its shortest form"
                elif length == 127 and len(octets) >= 10:
                    length, at = struct.unpack("!Q", octets[2:10])[0], 10
                    assert length >= 65536, "the length is not in its shortest form"
                if not (second >= 126 and at == 2) and len(octets) >= at + length:
                    self.octets = octets[at + length:]
                    return first & 0x0F, octets[at:at + length]
            more = self._recv(end)
            if not more:
                assert not self.octets, f"the connection ended inside a frame: {self.octets!r}"
                return None
            self.octets += more

    def expect_end(self, timeout=TIMEOUT):
        """A close frame, answered, and the end of the stream; gives the code (None without a close frame)."""
        end = time.monotonic() + seconds(timeout)
        answered = False
        try:
            while self._fill(end):
                assert self._next_frame() is None, "a frame came behind the last one"
                if self.got_close_code is not None and not answered:
                    answered = True
                    try:
                        self.sock.sendall(ws_frame(CLOSE, b""))
                    except OSError:
                        pass  # closed its side already
        except Closed:
            # A reset behind the close frame is the kernel's answer to octets that we sent late.
            if self.got_close_code is None:
                raise
        return self.got_close_code

    def expect_pong(self, payload, timeout=TIMEOUT):
        end = time.monotonic() + seconds(timeout)
        while payload not in self.pongs:
            assert self._fill(end), "the connection ended instead of a pong"
