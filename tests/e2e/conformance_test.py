"""Conformance, statement by statement: STOMP 1.0 / 1.1 / 1.2 and the server's side of RFC 6455.

Each test is named after the statement it covers in the project's checklist: A is STOMP (over TCP and over
WebSocket, the same lines), B is WebSocket. The frames are written out, since their octets are the point.
"""

import base64
import os
import socket
import struct
import time
import unittest

from broker import Broker, SLOWDOWN, seconds, wait_until
from stomp_case import StompCase
from wire import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Closed, TcpClient, WsClient, accept_of, dial, encode,
                  read_http_answer, unique, upgrade_request, ws_frame)

broker = None
quick_beats = None


def setUpModule():
    global broker, quick_beats
    broker = StompCase.broker = Broker()
    quick_beats = Broker("--heart-beat", "300ms,300ms", "--heart-beat-min", "100ms")


def tearDownModule():
    try:
        broker.stop()
    finally:
        quick_beats.stop()


class StompOverTcp(StompCase):
    transport = TcpClient

    # -- A1 Frame grammar

    def test_A1_1_frame_with_and_without_headers_and_body(self):
        client = self.dial()
        client.send(b"CONNECT\n\n\0")
        client.expect("CONNECTED")
        to = unique()
        client.subscribe(to)
        client.send(b"SEND\ndestination:" + to.encode() + b"\n\n\0")
        client.expect_message(b"")

    def test_A1_2_crlf_everywhere_in_1_2(self):
        client = self.dial()
        client.send(b"CONNECT\r\naccept-version:1.2\r\nhost:localhost\r\n\r\n\0\r\n")
        client.expect("CONNECTED")
        to = unique().encode()
        client.send(b"\r\nSUBSCRIBE\r\nid:0\r\ndestination:" + to + b"\r\nreceipt:r\r\n\r\n\0\r\n\r\n")
        client.expect_receipt("r")
        client.send(b"SEND\r\ndestination:" + to + b"\r\n\r\nbody\r\n\0")
        client.expect_message(b"body\r\n")

    def test_A1_2_lf_and_crlf_mixed_in_one_frame(self):
        client = self.session()
        to = unique()
        client.subscribe(to)
        client.send(b"SEND\ndestination:" + to.encode() + b"\r\nfoo:bar\n\r\nx\0")
        self.assertEqual(client.expect_message(b"x").get("foo"), "bar")

    def test_A1_3_the_cr_that_ends_a_line_is_not_part_of_the_value(self):
        client = self.session()
        to = unique()
        client.subscribe(to)
        client.send(b"SEND\r\ndestination:" + to.encode() + b"\r\nfoo:bar\r\n\r\n\0")
        message = client.expect_message()
        self.assertEqual(message.get("foo"), "bar")
        self.assertEqual(message.get("destination"), to)
        self.assertNotIn(b"\r", message.raw)

    def test_A1_4_crlf_connect_whatever_the_version(self):
        for version in (b"1.0", b"1.1", b"1.2"):
            with self.subTest(version=version):
                client = self.dial()
                client.send(b"CONNECT\r\naccept-version:" + version + b"\r\nhost:localhost\r\n\r\n\0")
                self.assertEqual(client.expect("CONNECTED").get("version"), version.decode())
        client = self.dial()
        client.send(b"CONNECT\r\nlogin:guest\r\npasscode:guest\r\n\r\n\0")
        client.expect("CONNECTED")

    def test_A1_4_trailing_cr_stays_in_the_value_in_1_1(self):
        to = unique()
        subscriber = self.subscriber(to)
        sender = self.session("1.1")
        sender.send(b"SEND\ndestination:" + to.encode() + b"\nfoo:bar\r\n\nx\0")
        self.assertEqual(subscriber.expect_message(b"x").get("foo"), "bar\\r")

    def test_A1_5_end_of_lines_between_frames_are_ignored(self):
        client = self.dial()
        client.send(b"\n\r\n\n\nCONNECT\naccept-version:1.2\nhost:localhost\n\n\0\n\n\r\n\n")
        client.expect("CONNECTED")
        client.send(b"\n" * 1000)
        client.fence()
        client.send(b"\n\n" + encode("SEND", {"destination": unique(), "receipt": "r"}) + b"\n\r\n\n")
        client.expect_receipt("r")

    def test_A1_6_commands_and_header_names_are_case_sensitive(self):
        self.refused(b"send\ndestination:/topic/x\n\n\0", "unknown-command")
        self.refused(b"Send\ndestination:/topic/x\n\n\0", "unknown-command")
        self.refused(b"SEND\nDestination:/topic/x\n\n\0", "missing-destination")

    def test_A1_6_connect_is_case_sensitive(self):
        client = self.dial()
        client.send(b"connect\naccept-version:1.2\nhost:localhost\n\n\0")
        client.expect_error(("unknown-command", "not-connected"))

    def test_A1_7_split_at_the_first_colon_and_empty_values(self):
        client = self.session()
        to = unique()
        client.subscribe(to)
        client.send(b"SEND\ndestination:" + to.encode() + b"\nempty:\nurl:http://a/b\n\n\0")
        message = client.expect_message()
        self.assertEqual(message.get("empty"), "")
        self.assertEqual(message.get("url"), "http\\c//a/b")

    def test_A1_8_header_line_without_colon(self):
        for version in ("1.0", "1.1", "1.2"):
            with self.subTest(version=version):
                self.refused(b"SEND\ndestination:/topic/x\nnocolon\n\n\0", "malformed-header", version)

    def test_A1_8_empty_header_name(self):
        self.refused(b"SEND\ndestination:/topic/x\n:value\n\n\0", "malformed-header")

    def test_A1_9_no_trimming_in_1_1_and_1_2(self):
        for version in ("1.1", "1.2"):
            with self.subTest(version=version):
                to = unique()
                client = self.subscriber(to, version)
                client.send(b"SEND\ndestination:" + to.encode() + b"\nk: value \n a b :1\n\n\0")
                message = client.expect_message()
                self.assertEqual(message.get("k"), " value ")
                self.assertEqual(message.get(" a b "), "1")

    def test_A1_10_padded_headers_in_1_0_are_at_least_accepted(self):
        client = self.dial()
        client.send(b"CONNECT\nlogin: guest\npasscode: guest\n\n\0")
        client.expect("CONNECTED")

    def test_A1_10_one_space_behind_the_colon_is_dropped_in_1_0(self):
        to = unique()
        client = self.subscriber(to, "1.0")
        client.send(b"SEND\ndestination: " + to.encode() +
                    b"\nreceipt:  two spaces\nkey: value\ncontent-length: 2\n\nab\0")
        frames = {frame.command: frame for frame in (client.frame(), client.frame())}
        self.assertEqual(frames["RECEIPT"].raw, b"RECEIPT\nreceipt-id: two spaces\n\n\0")
        self.assertIn(b"\nkey:value\n", frames["MESSAGE"].raw)
        self.assertEqual(frames["MESSAGE"].body, b"ab")

    def test_A1_11_the_first_of_repeated_headers_counts(self):
        to, other = unique(), unique()
        client = self.subscriber(to)
        client.subscribe(other, "other")
        client.send(b"SEND\ndestination:%s\ndestination:%s\nreceipt:first\nreceipt:second\nfoo:World\nfoo:Hello\n"
                    b"content-length:3\ncontent-length:1\n\nabc\0" % (to.encode(), other.encode()))
        frames = [client.frame(), client.frame()]
        message = next(frame for frame in frames if frame.command == "MESSAGE")
        receipt = next(frame for frame in frames if frame.command == "RECEIPT")
        self.assertEqual(receipt.get("receipt-id"), "first")
        self.assertEqual(message.get("subscription"), "0")
        self.assertEqual(message.all("destination"), [to])
        self.assertEqual(message.get("foo"), "World")
        self.assertEqual(message.all("content-length"), ["3"])
        self.assertEqual(message.body, b"abc")
        client.fence()

    def test_A1_12_repeated_user_headers_are_passed_on_in_order(self):
        to = unique()
        client = self.subscriber(to)
        client.send(b"SEND\ndestination:" + to.encode() + b"\nfoo:World\nbar:1\nfoo:Hello\n\n\0")
        self.assertIn(b"\nfoo:World\nbar:1\nfoo:Hello\n", client.expect_message().raw)

    def test_A1_13_multi_byte_names_and_values_survive(self):
        to = unique("/topic/żółw-日本-")
        client = self.subscriber(to, id="łabędź")
        client.send_frame("SEND", [("destination", to), ("ключ", "значение 😀")], "ÿ€😀".encode())
        message = client.expect_message("ÿ€😀".encode())
        self.assertEqual(message.get("destination"), to)
        self.assertEqual(message.get("subscription"), "łabędź")
        self.assertEqual(message.get("ключ"), "значение 😀")

    def test_A1_14_frames_split_at_any_octet(self):
        to = unique()
        client = self.dial()
        octets = (b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0\n"
                  b"SUBSCRIBE\nid:0\ndestination:" + to.encode() + b"\nreceipt:s\n\n\0"
                  b"SEND\ndestination:" + to.encode() + b"\nk\\cey:a\\nb\ncontent-length:5\n\nA\0B\nC\0\r\n"
                  b"SEND\ndestination:" + to.encode() + b"\n\nx\0")
        for octet in octets:
            client.send(bytes([octet]))
        client.expect("CONNECTED")
        client.expect_receipt("s")
        self.assertEqual(client.expect_message(b"A\0B\nC").get("k\\cey"), "a\\nb")
        client.expect_message(b"x")

    def test_A1_14_every_single_split(self):
        to = unique()
        client = self.subscriber(to)
        octets = b"SEND\r\ndestination:" + to.encode() + b"\r\nx:\\\\\\c\r\ncontent-length:3\r\n\r\n\0b\0\0"
        for cut in range(len(octets) + 1):
            client.send(octets[:cut])
            client.send(octets[cut:])
            self.assertEqual(client.expect_message(b"\0b\0").get("x"), "\\\\\\c")

    def test_A1_14_many_frames_in_one_read(self):
        to = unique()
        client = self.subscriber(to)
        client.send(b"".join(encode("SEND", {"destination": to}, b"%d" % number) for number in range(200)))
        for number in range(200):
            client.expect_message(b"%d" % number)

    def test_A1_15_a_body_on_another_frame(self):
        for version in ("1.1", "1.2"):
            with self.subTest(version=version):
                self.refused(b"SUBSCRIBE\nid:0\ndestination:/topic/x\n\nbody\0", "malformed-frame", version)
                self.refused(b"DISCONNECT\nreceipt:r\n\nbody\0", "malformed-frame", version, receipt="r")
        client = self.session("1.0")
        client.send(b"SUBSCRIBE\nid:0\ndestination:/topic/x\nreceipt:r\n\nbody\0")
        client.expect_receipt("r")
        for version in (b"1.0", b"1.2"):  # no version holds yet when it is read
            client = self.dial()
            client.send(b"CONNECT\naccept-version:" + version + b"\n\nbody\0")
            client.expect_error("malformed-frame")

    def test_A1_16_a_stray_nul_is_malformed(self):
        self.refused(b"\0" + encode("SEND", {"destination": "/topic/x", "receipt": "r"}), "malformed-frame")

    # -- A2 Header escaping

    def test_A2_1_no_escaping_in_1_0(self):
        to = unique()
        client = self.subscriber(to, "1.0")
        client.send(b"SEND\ndestination:" + to.encode() + b"\nk:a\\cb\\tc:d\\\n\n\0")
        self.assertIn(b"\nk:a\\cb\\tc:d\\\n", client.expect_message().raw)

    def test_A2_2_escapes_of_1_1(self):
        to = unique()
        client = self.subscriber(to, "1.1")
        client.send(b"SEND\ndestination:" + to.encode() + b"\nk:a\\nb\\cc\\\\d\n\n\0")
        self.assertIn(b"\nk:a\\nb\\cc\\\\d\n", client.expect_message().raw)
        for bad in (b"\\r", b"\\t", b"\\0", b"\\N", b"end\\"):
            with self.subTest(escape=bad):
                self.refused(b"SEND\ndestination:/topic/x\nk:" + bad + b"\n\n\0", "bad-escape", "1.1")

    def test_A2_3_escapes_of_1_2(self):
        to = unique()
        client = self.subscriber(to)
        client.send(b"SEND\ndestination:" + to.encode() + b"\nk:a\\nb\\cc\\\\d\\re\n\n\0")
        self.assertIn(b"\nk:a\\nb\\cc\\\\d\\re\n", client.expect_message().raw)
        for bad in (b"\\t", b"\\x41", b"\\C", b"end\\"):
            with self.subTest(escape=bad):
                self.refused(b"SEND\ndestination:/topic/x\nk:" + bad + b"\n\n\0", "bad-escape")
        self.refused(b"SEND\ndestination:/topic/x\nb\\ad:1\n\n\0", "bad-escape")
        self.refused(b"SEND\r\ndestination:/topic/x\r\nk:end\\\r\n\r\n\0", "bad-escape")

    def test_A2_4_output_is_escaped_for_the_receiver(self):
        to = unique()
        subscribers = {version: self.subscriber(to, version) for version in ("1.0", "1.1", "1.2")}
        self.session().send(b"SEND\ndestination:" + to.encode() + b"\nk:x\\cy\\\\z\n\n\0")
        self.assertIn(b"\nk:x:y\\z\n", subscribers["1.0"].expect_message().raw)
        self.assertIn(b"\nk:x\\cy\\\\z\n", subscribers["1.1"].expect_message().raw)
        self.assertIn(b"\nk:x\\cy\\\\z\n", subscribers["1.2"].expect_message().raw)

    def test_A2_4_what_a_1_0_client_writes_raw_is_escaped_for_others(self):
        to = unique()
        subscribers = {version: self.subscriber(to, version) for version in ("1.0", "1.1", "1.2")}
        self.session("1.0").send(b"SEND\ndestination:" + to.encode() + b"\nk:x:y\\c\n\n\0")
        self.assertIn(b"\nk:x:y\\c\n", subscribers["1.0"].expect_message().raw)
        self.assertIn(b"\nk:x\\cy\\\\c\n", subscribers["1.1"].expect_message().raw)
        self.assertIn(b"\nk:x\\cy\\\\c\n", subscribers["1.2"].expect_message().raw)

    def test_A2_5_connect_is_never_unescaped(self):
        client = self.dial()
        client.send(b"CONNECT\naccept-version:1.2\nhost:localhost\nlogin:a\\tb\npasscode:p\\q:r\\\n\n\0")
        client.expect("CONNECTED")
        client = self.dial()
        client.send(b"STOMP\naccept-version:1.1\nhost:a\\cb\nlogin:a\\tb\npasscode:p\\q:r\\\n\n\0")
        client.expect("CONNECTED")

    def test_A2_6_what_cannot_be_expressed_forges_no_header(self):
        to = unique()
        subscribers = {version: self.subscriber(to, version) for version in ("1.0", "1.1", "1.2")}
        self.session().send(b"SEND\ndestination:" + to.encode() +
                            b"\nlf:a\\nforged:1\ncr:a\\rforged:2\nplain:3\n\nx\0")
        self.assertIn(b"\nlf:a\\nforged\\c1\ncr:a\\rforged\\c2\n", subscribers["1.2"].expect_message(b"x").raw)
        message = subscribers["1.1"].expect_message(b"x")
        self.assertIn(b"\nlf:a\\nforged\\c1\n", message.raw)
        self.assertNotIn(b"\r", message.raw)
        message = subscribers["1.0"].expect_message(b"x")
        self.assertIsNone(message.get("forged"))
        self.assertNotIn(b"\r", message.raw)
        self.assertEqual(message.get("plain"), "3")

    def test_A2_6_what_a_message_must_have_is_there_in_every_version(self):
        base = unique("/topic/odd")
        subscribers = {version: self.subscriber(base + ".*", version) for version in ("1.0", "1.1", "1.2")}
        self.session().send(b"SEND\ndestination:" + base.encode() + b".a\\rb\\nc\nmessage-id:m\\r1\\n" + base.encode() +
                            b"\n\nx\0")
        for version, destination, message_id in (("1.0", b".a?b?c", b"m?1?"), ("1.1", b".a?b\\nc", b"m?1\\n"),
                                                 ("1.2", b".a\\rb\\nc", b"m\\r1\\n")):
            self.assertEqual(subscribers[version].expect_message(b"x").raw,
                             b"MESSAGE\nsubscription:0\nmessage-id:" + message_id + base.encode() +
                             b"\ndestination:" + base.encode() + destination + b"\ncontent-length:1\n\nx\0")

    def test_A2_7_escaping_applies_to_names(self):
        to = unique()
        client = self.subscriber(to)
        client.send(b"SEND\ndestination:" + to.encode() + b"\na\\cb:1\nc\\nd:2\n\n\0")
        raw = client.expect_message().raw
        self.assertIn(b"\na\\cb:1\n", raw)
        self.assertIn(b"\nc\\nd:2\n", raw)

    def test_A2_8_server_made_headers_are_escaped(self):
        client = self.session()
        client.send(b"SUBSCRIBE\nid:a\\cb\ndestination:/topic/c\\cd\\\\e\nreceipt:r\\c\\n1\n\n\0")
        self.assertIn(b"\nreceipt-id:r\\c\\n1\n", client.expect("RECEIPT").raw)
        message_id = unique("m\\c").encode()
        client.send(b"SEND\ndestination:/topic/c\\cd\\\\e\nmessage-id:" + message_id + b"\n\nx\0")
        raw = client.expect_message(b"x").raw
        self.assertIn(b"\nsubscription:a\\cb\n", raw)
        self.assertIn(b"\ndestination:/topic/c\\cd\\\\e\n", raw)
        self.assertIn(b"\nmessage-id:" + message_id + b"\n", raw)
        client.send(b"UNSUBSCRIBE\nid:nobody\nreceipt:x\\cy\n\n\0")
        client.expect_error("unknown-subscription", receipt="x\\cy")

    def test_A2_9_a_raw_colon_in_a_value(self):
        client = self.session()
        client.send(b"SEND\ndestination:/topic/x\nreceipt:a:b\n\n\0")
        client.expect_receipt("a\\cb")

    # -- A3 Body, content-length, content-type

    def test_A3_1_content_length_reads_exactly_so_many_octets(self):
        to = unique()
        client = self.subscriber(to)
        body = b"\0\0SEND\n\n\0\r\n\0"
        client.publish(to, body, content_length=len(body))
        client.expect_message(body)

    def test_A3_1_no_nul_where_content_length_ends(self):
        self.refused(b"SEND\ndestination:/topic/x\ncontent-length:2\n\nabc\0", "malformed-frame")

    def test_A3_2_without_it_the_body_ends_at_the_first_nul(self):
        to = unique()
        client = self.subscriber(to)
        client.send(b"SEND\ndestination:" + to.encode() + b"\n\nab\0\nSEND\ndestination:" + to.encode() + b"\n\ncd\0")
        client.expect_message(b"ab")
        client.expect_message(b"cd")

    def test_A3_3_content_length_on_any_frame_counts_octets(self):
        client = self.dial()
        client.send(b"CONNECT\naccept-version:1.2\nhost:localhost\ncontent-length:0\n\n\0")
        client.expect("CONNECTED")
        to = unique()
        client.send(b"SUBSCRIBE\nid:0\ncontent-length:0\ndestination:" + to.encode() + b"\nreceipt:r\n\n\0")
        client.expect_receipt("r")
        client.publish(to, "€€".encode(), content_length=6)
        self.assertEqual(client.expect_message("€€".encode()).get("content-length"), "6")

    def test_A3_4_malformed_content_length(self):
        for value in ("-1", "abc", "", "+3", "0x5", "3.0", "1e3", "99999999999999999999999", "18446744073709551617"):
            with self.subTest(value=value):
                self.refused(b"SEND\ndestination:/topic/x\ncontent-length:" + value.encode() + b"\n\nabc\0",
                             "malformed-content-length")

    def test_A3_5_a_body_comes_with_its_length(self):
        to = unique()
        client = self.subscriber(to)
        client.publish(to, b"plain")
        self.assertEqual(client.expect_message(b"plain").get("content-length"), "5")

    def test_A3_6_a_message_has_its_length_though_the_send_had_none(self):
        to = unique()
        client = self.subscriber(to)
        for body in (b"text", b""):
            client.publish(to, body)
            message = client.expect_message(body)
            self.assertEqual(message.raw, b"MESSAGE\nsubscription:0\nmessage-id:%s\ndestination:%s\n"
                             b"content-length:%d\n\n%s\0"
                             % (message.get("message-id").encode(), to.encode(), len(body), body))

    def test_A3_7_user_headers_and_content_type_pass(self):
        to = unique()
        client = self.subscriber(to)
        client.send_frame("SEND", [("destination", to), ("content-type", "application/json;charset=utf-8"),
                                   ("priority", "9"), ("X-Trace", "abc"), ("persistent", "true"),
                                   ("reply-to", "/queue/x")], b"{}")
        message = client.expect_message(b"{}")
        self.assertEqual([name for name, _ in message.headers],
                         ["subscription", "message-id", "destination", "content-type", "priority", "X-Trace",
                          "persistent", "reply-to", "content-length"])
        self.assertEqual(message.get("content-type"), "application/json;charset=utf-8")
        self.assertEqual(message.get("reply-to"), "/queue/x")

    def test_A3_8_body_octets_are_never_altered(self):
        to = unique()
        client = self.subscriber(to)
        body = bytes(range(256)) * 8
        client.send_frame("SEND", [("destination", to), ("content-type", "text/plain"),
                                   ("content-length", len(body))], body)
        client.expect_message(body)

    def test_A3_9_one_true_content_length(self):
        to = unique()
        client = self.subscriber(to)
        client.send_frame("SEND", [("content-length", "0003"), ("destination", to), ("content-length", "99")], b"abc")
        message = client.expect_message(b"abc")
        self.assertEqual(message.all("content-length"), ["3"])

    # -- A4 Connecting and version negotiation

    def test_A4_1_the_first_frame_is_connect(self):
        for frame in (b"SEND\ndestination:/topic/x\nreceipt:r\n\nx\0",
                      b"SUBSCRIBE\nid:0\ndestination:/topic/x\nreceipt:r\n\n\0",
                      b"DISCONNECT\nreceipt:r\n\n\0"):
            with self.subTest(frame=frame):
                client = self.dial()
                client.send(frame)
                client.expect_error("not-connected", receipt="r")

    def test_A4_2_stomp_is_connect(self):
        for version in ("1.0", "1.1", "1.2"):
            client = self.dial()
            client.send_frame("STOMP", {"accept-version": version, "host": "localhost"})
            self.assertEqual(client.expect("CONNECTED").get("version"), version)

    def test_A4_3_no_accept_version_means_1_0(self):
        client = self.dial()
        client.send(b"CONNECT\nlogin:x\npasscode:y\n\n\0")
        connected = client.expect("CONNECTED")
        self.assertIn(connected.get("version"), (None, "1.0"))
        self.assertTrue(connected.get("session"))
        to = unique()
        client.send(b"SUBSCRIBE\ndestination:" + to.encode() + b"\nreceipt:r\n\n\0")  # no id: 1.0 only
        client.expect_receipt("r")

    def test_A4_4_the_highest_common_version(self):
        for offer, answer in (("1.0,1.1,1.2", "1.2"), ("1.2,1.1,1.0", "1.2"), ("1.1", "1.1"), ("1.0,1.1,2.0", "1.1"),
                              ("1.0", "1.0"), ("2.0,1.2,9.9", "1.2"), ("1.1,1.0", "1.1")):
            with self.subTest(offer=offer):
                client = self.dial()
                client.send_frame("CONNECT", {"accept-version": offer, "host": "localhost"})
                self.assertEqual(client.expect("CONNECTED").get("version"), answer)

    def test_A4_5_no_common_version(self):
        for offer in ("2.0", "1.3,2.1", "11", "1.20"):
            with self.subTest(offer=offer):
                client = self.dial()
                client.send_frame("CONNECT", {"accept-version": offer, "host": "localhost"})
                error = client.expect_error("version-not-supported", 1002)
                self.assertEqual(error.get("version"), "1.0,1.1,1.2")

    def test_A4_6_connected_has_version_session_and_heart_beat(self):
        for version in ("1.1", "1.2"):
            connected = self.dial().connect(version)
            self.assertEqual(connected.get("version"), version)
            self.assertTrue(connected.get("session"))
            self.assertRegex(connected.get("heart-beat"), r"^\d+,\d+$")
            self.assertEqual(connected.body, b"")

    def test_A4_6_connected_of_1_0(self):
        client = self.dial()
        client.send(b"CONNECT\nlogin:me\npasscode:secret\n\n\0")
        connected = client.expect("CONNECTED")
        self.assertTrue(connected.get("session"))
        self.assertEqual(connected.get("version"), "1.0")
        self.assertEqual(connected.get("heart-beat"), "0,0")

    def test_A4_7_form_of_server(self):
        self.assertRegex(self.dial().connect().get("server"), r"^[^/ ]+(/[^ ]+)?( .*)?$")

    def test_A4_8_missing_and_unknown_host(self):
        client = self.dial()
        client.send(b"CONNECT\naccept-version:1.2\n\n\0")
        client.expect("CONNECTED")
        client = self.dial()
        client.send(b"CONNECT\naccept-version:1.1\nhost:no.such.host.example\n\n\0")
        client.expect("CONNECTED")

    def test_A4_9_any_login_is_accepted_without_an_access_file(self):
        self.session(login="anyone", passcode="anything")

    def test_A4_9_a_refused_connection_is_told_why(self):
        for headers, token in ((b"accept-version:3.0\n", "version-not-supported"),
                               (b"accept-version:1.2\nheart-beat:x\n", "bad-heart-beat")):
            with self.subTest(headers=headers):
                client = self.dial()
                client.send(b"CONNECT\nhost:localhost\n" + headers + b"\n\0")
                client.expect_error(token)

    def test_A4_10_spaces_and_empty_items_in_accept_version(self):
        for offer in ("1.1, 1.2,", " 1.2", ",1.2", "1.0 , 1.2 "):
            with self.subTest(offer=offer):
                client = self.dial()
                client.send_frame("CONNECT", {"accept-version": offer, "host": "localhost"})
                self.assertEqual(client.expect("CONNECTED").get("version"), "1.2")

    def test_A4_11_a_second_connect(self):
        for command in (b"CONNECT", b"STOMP"):
            self.refused(command + b"\naccept-version:1.2\nhost:localhost\n\n\0", "already-connected")

    def test_A4_12_receipt_on_connect_is_not_honoured(self):
        client = self.dial()
        client.send(b"CONNECT\naccept-version:1.2\nhost:localhost\nreceipt:r\n\n\0")
        connected = client.expect("CONNECTED")
        self.assertIsNone(connected.get("receipt-id"))
        client.fence()

    def test_A4_13_frames_right_behind_connect(self):
        to = unique()
        client = self.dial()
        client.send(b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0" +
                    encode("SUBSCRIBE", {"id": "0", "destination": to, "receipt": "s"}) +
                    encode("SEND", {"destination": to}, b"early"))
        client.expect("CONNECTED")
        client.expect_receipt("s")
        client.expect_message(b"early")

    # -- A5 Heart-beating

    def test_A5_1_a_missing_header_is_0_0(self):
        client = self.session(on=quick_beats)
        self.assertQuiet(client, 1.0)

    def test_A5_2_zero_turns_a_direction_off(self):
        client = self.session(on=quick_beats, heart_beat="0,0")
        self.assertQuiet(client, 1.0)

    def assertQuiet(self, client, timeout):
        """Neither a beat nor the end of the connection for so long."""
        client.sock.settimeout(timeout)
        with self.assertRaises(socket.timeout):
            octets = client.sock.recv(1)
            self.fail(f"expected silence, got {octets!r}")

    def beat(self, client, timeout):
        """Seconds until the next end-of-line octet."""
        beats, start = client.reader.beats, time.monotonic()
        end = start + timeout
        while client.reader.beats == beats:
            self.assertTrue(client._fill(end), "the connection ended instead of a heart-beat")
            self.assertIsNone(client._next_frame())
        return time.monotonic() - start

    def test_A5_2_the_longer_interval_counts_from_server_to_client(self):
        client = self.session(on=quick_beats, heart_beat="0,1000")  # the server could every 300 ms
        self.beat(client, 1.0 + 0.25 * SLOWDOWN)
        self.assertGreater(self.beat(client, 1.0 + 0.25 * SLOWDOWN), 0.5)

    def test_A5_2_the_longer_interval_counts_from_client_to_server(self):
        client = self.session(on=quick_beats, heart_beat="100,0")  # the server wants every 300 ms only
        for _ in range(3):
            self.assertQuiet(client, 0.35)  # death is after twice the interval: 0.2 s would be over
            client.send(b"\n")
        client.fence()

    def test_A5_4_the_server_beats_in_time(self):
        client = self.session(on=quick_beats, heart_beat="0,500")
        for _ in range(4):
            self.beat(client, 0.5 + 0.25 * SLOWDOWN)

    def test_A5_4_beats_in_1_1_are_lf(self):
        client = self.session("1.1", on=quick_beats, heart_beat="0,300")
        for _ in range(2):
            self.beat(client, 0.3 + 0.25 * SLOWDOWN)

    def test_A5_5_a_silent_client_is_dropped_with_a_margin(self):
        start = time.monotonic()
        client = self.session(on=quick_beats, heart_beat="400,0")
        try:
            while client.frame(timeout=5).command != "ERROR":
                pass
            client.expect_end()
        except Closed:
            pass
        took = time.monotonic() - start
        self.assertGreater(took, 0.4, "dropped before the interval was over")
        self.assertLess(took, 0.4 * 2 + seconds(0.8))

    def test_A5_5_a_client_that_beats_lives(self):
        client = self.session(on=quick_beats, heart_beat="300,0")
        for _ in range(6):
            self.assertQuiet(client, 0.2)  # the client's own clock
            client.send(b"\n")
        client.fence()

    def test_A5_3_any_octet_is_life(self):
        to = unique()
        client = self.session(on=quick_beats, heart_beat="300,0")
        client.subscribe(to)
        client.send(b"SEND\ndestination:" + to.encode() + b"\n\n")
        for _ in range(8):
            client.send(b"x")
            self.assertQuiet(client, 0.15)
        client.send(b"\0")
        client.expect_message(b"xxxxxxxx")

    def test_A5_6_no_beat_before_connected(self):
        self.assertQuiet(self.dial(on=quick_beats), 0.7)

    def test_A5_6_none_in_1_0(self):
        client = self.session("1.0", on=quick_beats, heart_beat="300,300")
        self.assertQuiet(client, 1.2)
        client.fence()

    def test_A5_7_a_dead_client_is_closed_and_forgotten(self):
        client = self.session(on=quick_beats, heart_beat="1000,0")
        client.subscribe(unique())
        wait_until(lambda: quick_beats.tables()["subscriptions"] == 1, "the subscription in the tables")
        start = time.monotonic()
        try:
            self.assertIsNone(client.expect_end(timeout=10))  # no words: nobody is there to read them
        except Closed:
            pass
        took = time.monotonic() - start
        self.assertGreater(took, 1.0)
        self.assertLess(took, 2.0 + seconds(1))
        wait_until(lambda: quick_beats.tables()["subscriptions"] == 0, "nothing of it in the tables")

    def test_A5_8_malformed_heart_beat(self):
        for value in ("a,b", "1", "-1,0", "1,2,3", "1,", ",1", "1;2", "0x1,0", "1.5,0"):
            with self.subTest(value=value):
                client = self.dial()
                client.send_frame("CONNECT", {"accept-version": "1.2", "host": "localhost", "heart-beat": value})
                client.expect_error("bad-heart-beat")

    def test_A5_8_spaces_and_huge_values_are_borne(self):
        for value in ("1000, 1000", "4294967296,4294967296", "9007199254740993,9007199254740993"):
            with self.subTest(value=value):
                client = self.session(heart_beat=value)
                client.fence()

    def test_A5_9_the_minimum_holds_against_a_client_that_wants_more(self):
        client = self.session(heart_beat="0,1")  # the default broker's minimum is 1 s
        end = time.monotonic() + 1.5
        try:
            while True:
                client._fill(end)
        except AssertionError:
            pass
        self.assertLessEqual(client.reader.beats, 2)

    def test_A5_9_the_answer_tells_the_servers_own(self):
        self.assertEqual(self.dial(on=quick_beats).connect(heart_beat="5000,7000").get("heart-beat"), "300,300")
        self.assertEqual(self.dial().connect(heart_beat="5000,7000").get("heart-beat"), "10000,10000")

    def test_A5_10_beats_stand_between_frames(self):
        to = unique()
        client = self.session(on=quick_beats, heart_beat="0,100")
        client.subscribe(to)
        body = b"z" * 50_000
        end = time.monotonic() + 1.0
        while time.monotonic() < end or client.reader.beats < 2:
            client.publish(to, body)
            client.expect_message(body)
            self.beat(client, 0.3 + 0.25 * SLOWDOWN)

    # -- A6 SEND

    def test_A6_1_destination_is_required(self):
        self.refused(b"SEND\nreceipt:r\n\nx\0", "missing-destination", receipt="r")

    def test_A6_2_an_impossible_send(self):
        self.refused(b"SEND\ndestination:\nreceipt:r\n\nx\0", "bad-destination", receipt="r")

    def test_A6_3_an_unknown_transaction(self):
        self.refused(b"SEND\ndestination:/topic/x\ntransaction:never-begun\nreceipt:r\n\nx\0", "unknown-transaction",
                     receipt="r")

    def test_A6_4_destination_comes_back_byte_for_byte(self):
        for to in (unique("/topic/a.b/c."), unique("topic.no.slash."), unique("/anything/else/"),
                   unique("/topic/with space and \\\\ \\c ")):
            with self.subTest(destination=to):
                client = self.subscriber(to)
                client.publish(to, b"x")
                self.assertEqual(client.expect_message(b"x").get("destination"), to)

    def test_A6_5_order_per_destination_and_sender(self):
        to = unique()
        subscriber, sender = self.subscriber(to), self.session()
        for start in range(0, 1000, 100):
            sender.send(b"".join(encode("SEND", {"destination": to}, b"%d" % n) for n in range(start, start + 100)))
        for number in range(1000):
            subscriber.expect_message(b"%d" % number)

    def test_A6_6_the_senders_protocol_headers_do_not_leak(self):
        to = unique()
        client = self.subscriber(to)
        client.send_frame("SEND", [("destination", to), ("message-id", to + "-mine"), ("subscription", "forged"),
                                   ("ack", "forged"), ("redelivered", "true"), ("user", "kept")], b"x")
        message = client.expect_message(b"x")
        self.assertEqual(message.all("subscription"), ["0"])
        self.assertEqual(message.all("message-id"), [to + "-mine"])
        self.assertEqual(message.all("ack"), [])
        self.assertEqual(message.all("redelivered"), [])
        self.assertEqual(message.all("receipt"), [])
        self.assertEqual(message.get("user"), "kept")

    # -- A7 SUBSCRIBE / UNSUBSCRIBE

    def test_A7_1_destination_is_required(self):
        self.refused(b"SUBSCRIBE\nid:0\nreceipt:r\n\n\0", "missing-destination", receipt="r")

    def test_A7_2_id_is_required_in_1_1_and_1_2(self):
        for version in ("1.1", "1.2"):
            self.refused(b"SUBSCRIBE\ndestination:/topic/x\nreceipt:r\n\n\0", "missing-id", version, receipt="r")
            self.refused(b"UNSUBSCRIBE\ndestination:/topic/x\nreceipt:r\n\n\0", "missing-id", version, receipt="r")
        client = self.session("1.0")
        client.send(b"SUBSCRIBE\ndestination:/topic/x\nreceipt:r\n\n\0")
        client.expect_receipt("r")

    def test_A7_3_ids_belong_to_a_connection(self):
        to = unique()
        first, second = self.subscriber(to, id="same"), self.subscriber(to, id="same")
        self.session().publish(to, b"x")
        for client in (first, second):
            self.assertEqual(client.expect_message(b"x").get("subscription"), "same")
        first.send_frame("SUBSCRIBE", {"id": "same", "destination": unique(), "receipt": "r"})
        first.expect_error("duplicate-subscription", receipt="r")

    def test_A7_4_ack_values(self):
        client = self.session()
        for value in ("auto", "client", "client-individual"):
            client.send_frame("SUBSCRIBE", {"id": value, "destination": "/topic/x", "ack": value, "receipt": "r"})
            client.expect_receipt("r")
        for value in (b"weird", b"", b"AUTO"):
            with self.subTest(ack=value):
                self.refused(b"SUBSCRIBE\nid:0\ndestination:/topic/x\nreceipt:r\nack:" + value + b"\n\n\0",
                             "bad-ack-mode", receipt="r")

    def test_A7_5_subscription_header(self):
        to = unique()
        with_id, without = self.subscriber(to, "1.0", "my-id"), self.session("1.0")
        without.send_frame("SUBSCRIBE", {"destination": to, "receipt": "r"})
        without.expect_receipt("r")
        self.session().publish(to, b"x")
        self.assertEqual(with_id.expect_message(b"x").get("subscription"), "my-id")
        self.assertIsNone(without.expect_message(b"x").get("subscription"))

    def test_A7_5_an_id_with_a_carriage_return(self):
        for version, id in (("1.0", b"a\rb"), ("1.1", b"a\rb"), ("1.2", b"a\\rb")):
            with self.subTest(version=version):
                to = unique()
                client = self.session(version)
                client.send(b"SUBSCRIBE\nid:" + id + b"\ndestination:" + to.encode() + b"\nreceipt:s\n\n\0")
                client.expect_receipt("s")
                client.publish(to, b"x")
                self.assertIn(b"\nsubscription:" + id + b"\n", client.expect_message(b"x").raw)

    def test_A7_6_two_subscriptions_get_a_copy_each(self):
        to = unique()
        client = self.subscriber(to, id="a")
        client.subscribe(to, "b")
        client.publish(to, b"x")
        messages = [client.expect_message(b"x"), client.expect_message(b"x")]
        self.assertEqual({message.get("subscription") for message in messages}, {"a", "b"})
        self.assertEqual(len({message.get("message-id") for message in messages}), 1)
        client.fence()

    def test_A7_7_unsubscribe_of_an_unknown_id(self):
        self.refused(b"UNSUBSCRIBE\nid:nobody\nreceipt:r\n\n\0", "unknown-subscription", receipt="r")

    def test_A7_7_unsubscribe_by_destination_in_1_0(self):
        to = unique()
        client = self.session("1.0")
        client.send_frame("SUBSCRIBE", {"destination": to, "receipt": "s"})
        client.expect_receipt("s")
        client.send_frame("UNSUBSCRIBE", {"destination": to, "receipt": "u"})
        client.expect_receipt("u")
        client.subscribe(to, "again")
        client.publish(to, b"x")
        self.assertEqual(client.expect_message(b"x").get("subscription"), "again")
        client.fence()

    def test_A7_8_no_message_behind_the_receipt_of_unsubscribe(self):
        to = unique()
        client, sender = self.subscriber(to, id="kept"), self.session()
        for round in range(20):
            client.subscribe(to, f"leaving-{round}")
            sender.send(b"".join(encode("SEND", {"destination": to}, b"%d" % n) for n in range(20)))
            client.send_frame("UNSUBSCRIBE", {"id": f"leaving-{round}", "receipt": "u"})
            kept = 0
            unsubscribed = False
            while kept < 20 or not unsubscribed:
                frame = client.frame()
                if frame.command == "RECEIPT":
                    unsubscribed = True
                elif frame.get("subscription") == "kept":
                    self.assertEqual(frame.body, b"%d" % kept)
                    kept += 1
                else:
                    self.assertFalse(unsubscribed, f"behind the RECEIPT: {frame!r}")

    def test_A7_10_an_id_may_be_used_again(self):
        first, second = unique(), unique()
        client = self.subscriber(first)
        client.send_frame("UNSUBSCRIBE", {"id": "0", "receipt": "u"})
        client.expect_receipt("u")
        client.subscribe(second)
        client.publish(first, b"not this")
        client.publish(second, b"this")
        client.expect_message(b"this")

    def test_A7_11_an_impossible_subscribe(self):
        for destination in ("", "/topic/a.#.b", "/topic/#/b", "/topic/>.b", "/topic/**/b"):
            with self.subTest(destination=destination):
                self.refused(encode("SUBSCRIBE", {"id": "0", "destination": destination, "receipt": "r"}),
                             "bad-destination", receipt="r")

    def test_A7_11_destinations_that_are_not_served(self):
        for prefix in ("/exchange/", "/exchange/amq.headers/", "/dsub/", "/remote-temp-queue/", "/remote-temp-topic/"):
            with self.subTest(prefix=prefix):
                self.refused(encode("SUBSCRIBE", {"id": "0", "destination": prefix + "x", "receipt": "r"}),
                             "unsupported-destination", receipt="r", code=(1002, 1008))
                self.refused(encode("SEND", {"destination": prefix + "x", "receipt": "r"}),
                             "unsupported-destination", receipt="r", code=(1002, 1008))

    def test_A7_12_the_receipt_means_that_the_subscription_is_live(self):
        sender = self.session()
        client = self.session()
        for _ in range(50):
            to = unique()
            client.subscribe(to, to)
            sender.publish(to, b"x")
            client.expect_message(b"x")

    def test_A9_8_subscribe_and_unsubscribe_ignore_a_transaction_header(self):
        client = self.session()
        client.send(b"SUBSCRIBE\nid:0\ndestination:/topic/x\ntransaction:t\nreceipt:s\n\n\0"
                    b"UNSUBSCRIBE\nid:0\ntransaction:t\nreceipt:u\n\n\0")
        self.answers(client, b"RECEIPT\nreceipt-id:s\n\n\0", b"RECEIPT\nreceipt-id:u\n\n\0")

    def test_patterns(self):
        base = unique("/topic/p")
        for pattern, hits, misses in (
                (".*", (".a", "/b"), ("", ".a.b")),
                (".*.c", (".a.c", "/x/c", ".y/c"), (".a", ".a.d", ".a.b.c")),
                (".a.#", (".a", ".a.b", "/a/b/c"), (".b", ".b.a")),
                (".a.>", (".a", ".a.b"), (".ab",)),
                ("/a/**", (".a", "/a/b.c"), ("/b",)),
                ("/#", ("", ".x", "/x/y/z"), ()),
                (".*.c.#", (".a.c", ".b.c.d/e"), (".c", ".a.b.c"))):
            with self.subTest(pattern=pattern):
                client = self.subscriber(base + pattern)
                for suffix in misses:
                    client.publish(base + suffix, b"miss " + suffix.encode())
                for suffix in hits:
                    client.publish(base + suffix, b"hit " + suffix.encode())
                # Destinations are not ordered among each other: any miss would show before or behind a hit,
                # or before the two rounds' RECEIPTs.
                got = set()
                while len(got) < len(hits):
                    message = client.expect_message()
                    self.assertEqual(message.get("subscription"), "0")
                    self.assertEqual(message.body, b"hit " + message.get("destination")[len(base):].encode())
                    got.add(message.body)
                client.fence()
                client.fence()

    def test_pattern_levels_split_alike_on_dot_and_slash(self):
        base = unique("/topic/q")
        client = self.subscriber(base + "/a.*")
        for name in (base + ".a.x", base + "/a/y", base + "/a.z"):
            client.publish(name, b"x")
            self.assertEqual(client.expect_message(b"x").get("destination"), name)

    def test_a_pattern_and_a_name_are_two_subscriptions(self):
        base = unique("/topic/r")
        client = self.subscriber(base + ".a", id="name")
        client.subscribe(base + ".*", "pattern")
        client.publish(base + ".a", b"x")
        got = {client.expect_message(b"x").get("subscription") for _ in range(2)}
        self.assertEqual(got, {"name", "pattern"})
        client.send_frame("UNSUBSCRIBE", {"id": "pattern", "receipt": "u"})
        client.expect_receipt("u")
        client.publish(base + ".a", b"y")
        self.assertEqual(client.expect_message(b"y").get("subscription"), "name")
        client.fence()

    # -- A10 RECEIPT, ERROR, DISCONNECT

    def test_A10_1_receipt_on_any_frame(self):
        to = unique()
        client = self.session()
        client.send_frame("SUBSCRIBE", {"id": "0", "destination": to, "receipt": "a"})
        self.answers(client, b"RECEIPT\nreceipt-id:a\n\n\0")
        client.send_frame("SEND", {"destination": unique(), "receipt": "b"})
        client.expect_receipt("b")
        client.send_frame("UNSUBSCRIBE", {"id": "0", "receipt": "c"})
        client.expect_receipt("c")
        client.send_frame("DISCONNECT", {"receipt": "d"})
        client.expect_receipt("d")

    def test_A10_2_receipts_come_in_the_order_of_frames(self):
        client = self.session()
        client.send(b"".join(encode("SEND", {"destination": f"/topic/order.{n % 37}", "receipt": f"r{n}"})
                             for n in range(500)))
        for number in range(500):
            client.expect_receipt(f"r{number}")

    def test_A10_2_receipts_of_different_frames_keep_order_too(self):
        client = self.session()
        octets, expected = b"", []
        for number in range(100):
            to = unique()
            octets += encode("SUBSCRIBE", {"id": to, "destination": to, "receipt": f"s{number}"})
            octets += encode("SEND", {"destination": unique(), "receipt": f"m{number}"})
            octets += encode("UNSUBSCRIBE", {"id": to, "receipt": f"u{number}"})
            expected += [f"s{number}", f"m{number}", f"u{number}"]
        client.send(octets)
        for receipt in expected:
            client.expect_receipt(receipt)

    def test_A10_3_receipt_values_come_back_unchanged(self):
        client = self.session()
        for value in ("", "x" * 4000, "żółw 日本 😀", " spaces ", "a\\cb\\\\"):
            with self.subTest(value=value[:20]):
                client.send_frame("SEND", {"destination": "/topic/x", "receipt": value})
                client.expect_receipt(value)

    def test_A10_3_a_receipt_with_a_carriage_return(self):
        for version, receipt in (("1.0", b"a\rb"), ("1.1", b"a\rb"), ("1.2", b"a\\rb")):
            with self.subTest(version=version):
                client = self.session(version)
                client.send(b"SEND\ndestination:/topic/x\nreceipt:" + receipt + b"\n\n\0")
                self.answers(client, b"RECEIPT\nreceipt-id:" + receipt + b"\n\n\0")

    def test_A10_4_error_instead_of_receipt(self):
        self.refused(b"SEND\nreceipt:wanted\n\n\0", "missing-destination", receipt="wanted")
        self.refused(b"NONSENSE\nreceipt:wanted\n\n\0", "unknown-command", receipt="wanted")

    def test_A10_5_nothing_is_processed_behind_an_error(self):
        to = unique()
        subscriber, bad, good = self.subscriber(to), self.session(), self.session()
        bad.send(b"SEND\n\n\0" + encode("SEND", {"destination": to, "receipt": "r"}, b"behind the error"))
        bad.expect_error("missing-destination")
        good.publish(to, b"good")
        subscriber.expect_message(b"good")

    def test_A10_6_form_of_error(self):
        error = self.refused(b"NONSENSE\n\n\0", "unknown-command")
        self.assertRegex(error.body.decode(), r"^\S.{10,}$")

    def test_A10_7_error_arrives_though_more_input_is_on_its_way(self):
        client = self.session()
        client.send(b"NONSENSE\n\n\0")
        try:
            for _ in range(20):
                client.send(b"SEND\ndestination:/topic/x\n\n" + b"x" * 10_000 + b"\0")
        except OSError:
            pass  # it may close on us; what it sent must be readable all the same
        client.expect_error("unknown-command")

    def test_A10_8_disconnect_with_receipt(self):
        client = self.session()
        client.send_frame("DISCONNECT", {"receipt": "bye"})
        client.expect_receipt("bye")
        code = client.expect_end()
        if client.transport == "ws":
            self.assertEqual(code, 1000)

    def test_A10_8_disconnect_without_receipt(self):
        client = self.session()
        client.send_frame("DISCONNECT")
        code = client.expect_end()
        if client.transport == "ws":
            self.assertEqual(code, 1000)

    def test_A10_9_nothing_is_processed_behind_disconnect(self):
        to = unique()
        subscriber, client, good = self.subscriber(to), self.session(), self.session()
        client.send(encode("DISCONNECT", {"receipt": "bye"}) + encode("SEND", {"destination": to}, b"late"))
        client.expect_receipt("bye")
        client.expect_end()
        good.publish(to, b"good")
        subscriber.expect_message(b"good")

    def test_A10_10_what_arrived_before_the_loss_is_processed(self):
        to = unique()
        subscriber, client = self.subscriber(to), self.session()
        client.send(b"".join(encode("SEND", {"destination": to}, b"%d" % n) for n in range(50)))
        client.sock.shutdown(socket.SHUT_WR)
        for number in range(50):
            subscriber.expect_message(b"%d" % number)

    def test_A10_11_unknown_command(self):
        self.refused(b"HELLO\nreceipt:r\n\n\0", "unknown-command", receipt="r")
        self.refused(b"AVERYLONGCOMMANDTHATNOBODYKNOWS\n\n\0", "unknown-command")
        client = self.dial()
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\0")
        client.expect_error(("unknown-command", "not-connected", "malformed-header", "malformed-frame"))

    def test_A10_12_server_commands_from_a_client(self):
        for command in (b"MESSAGE", b"CONNECTED", b"RECEIPT", b"ERROR"):
            with self.subTest(command=command):
                self.refused(command + b"\ndestination:/topic/x\nreceipt:r\n\n\0", "unknown-command", receipt="r")

    def test_A10_13_error_text_cannot_forge_and_has_no_passcode(self):
        client = self.dial()
        client.send(b"CONNECT\naccept-version:9.9\nhost:localhost\nlogin:me\npasscode:s3cret\n\n\0")
        self.assertNotIn(b"s3cret", client.expect_error("version-not-supported").raw)
        error = self.refused(b"SEND\nreceipt:a\\nmessage\\cforged\\n\\nbody\n\n\0", "missing-destination",
                             receipt="a\\nmessage\\cforged\\n\\nbody")
        self.assertEqual(len(error.all("message")), 1)

    # -- A11 Limits (each at its border: limits_test.py)

    def test_A11_1_declared_length_above_the_limit_is_refused_at_once(self):
        client = self.session()
        client.send(b"SEND\ndestination:/topic/x\nreceipt:r\ncontent-length:1000000000\n\nx")  # no NUL follows
        client.expect_error("frame-too-large", 1009, receipt="r")

    def test_A11_4_connect_without_any_header(self):
        client = self.dial()
        client.send(b"CONNECT\n\n\0")
        self.assertEqual(client.expect("CONNECTED").get("version"), "1.0")

    # -- Duplicates

    def test_a_known_message_id_is_answered_and_dropped(self):
        to, other = unique(), unique()
        subscriber, client = self.subscriber(to), self.session()
        subscriber.subscribe(other, "other")
        for _ in range(3):
            client.publish(to, b"x", message_id="m-1", receipt="r")
            client.expect_receipt("r")
        client.publish(other, b"y", message_id="m-1")  # another destination: not a duplicate
        client.publish(to, b"z", message_id="m-2")
        got = {subscriber.expect_message().body for _ in range(3)}
        self.assertEqual(got, {b"x", b"y", b"z"})
        subscriber.fence()

    def test_an_id_that_the_broker_made_is_known_too(self):
        to = unique()
        client = self.subscriber(to)
        client.publish(to, b"first")
        message = client.expect_message(b"first")
        client.send_frame("SEND", {"destination": to, "message-id": message.get("message-id"), "receipt": "r"}, b"back")
        client.expect_receipt("r")
        client.publish(to, b"second")
        client.expect_message(b"second")


class StompOverWebSocket(StompOverTcp):
    transport = WsClient

    def test_A5_11_a_beat_is_a_message_of_its_own(self):
        client = self.session(on=quick_beats, heart_beat="0,300")
        opcode, payload = client.ws_frame()
        self.assertEqual((opcode in (TEXT, BINARY), payload), (True, b"\n"))


class OpeningHandshake(unittest.TestCase):
    """B1: RFC 6455 section 4.2."""

    def ask(self, request):
        sock = dial(broker.ws)
        self.addCleanup(sock.close)
        sock.sendall(request)
        return read_http_answer(sock), sock

    def answered(self, status, request):
        answer, sock = self.ask(request)
        statuses = (status,) if isinstance(status, int) else status
        self.assertIn(answer.status, statuses, repr(answer))
        if answer.status != 101:
            # B1.13: the client can tell where the answer ends.
            self.assertTrue(answer.get("Content-Length") is not None or answer.get("Connection") == "close", answer)
            sock.settimeout(seconds(5))
            while sock.recv(65536):
                pass  # and the connection ends
        return answer

    def plain(self, **changes):
        return upgrade_request(broker, **changes)

    def test_B1_1_get_and_http_1_1(self):
        for bad in (self.plain().replace(b"GET", b"POST", 1), self.plain().replace(b"GET", b"PUT", 1)):
            answer = self.answered((400, 405), bad)
            if answer.status == 405:
                self.assertEqual(answer.get("Allow"), "GET")
        self.answered((400, 505), self.plain().replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        self.answered((400,), b"complete nonsense\r\n\r\n")

    def test_B1_2_host_upgrade_connection(self):
        self.answered(400, self.plain(without=("Host",)))
        self.answered((400, 426), self.plain(without=("Connection",)))
        self.answered((400, 426), self.plain(without=("Upgrade",)))
        self.answered((400, 426), self.plain(without=("Upgrade",), extra=[("Upgrade", "h2c")]))
        for upgrade, connection in (("WebSocket", "Upgrade"), ("websocket", "keep-alive, Upgrade"),
                                    ("WEBSOCKET", "UPGRADE"), ("foo/1, websocket", "keep-alive,upgrade")):
            with self.subTest(upgrade=upgrade, connection=connection):
                self.answered(101, self.plain(without=("Upgrade", "Connection"),
                                              extra=[("Upgrade", upgrade), ("Connection", connection)]))

    def test_B1_2_a_plain_get_is_told_to_upgrade(self):
        answer = self.answered((400, 426), f"GET /stomp HTTP/1.1\r\nHost: 127.0.0.1:{broker.ws}\r\n\r\n".encode())
        if answer.status == 426:
            self.assertEqual(answer.get("Upgrade").lower(), "websocket")

    def test_B1_3_key(self):
        self.answered(400, self.plain(without=("Sec-WebSocket-Key",)))
        for key in ("short==", base64.b64encode(b"x" * 15).decode(), base64.b64encode(b"x" * 17).decode(), "!" * 24, ""):
            with self.subTest(key=key):
                self.answered(400, self.plain(without=("Sec-WebSocket-Key",), extra=[("Sec-WebSocket-Key", key)]))
        self.answered(400, self.plain(extra=[("Sec-WebSocket-Key", base64.b64encode(b"y" * 16).decode())]))
        key = base64.b64encode(b"y" * 16).decode()
        answer = self.answered(101, self.plain(without=("Sec-WebSocket-Key",),
                                               extra=[("Sec-WebSocket-Key", f"   {key}  ")]))
        self.assertEqual(answer.get("Sec-WebSocket-Accept"), accept_of(key))

    def test_B1_4_version(self):
        for version in ("8", "0", "14", "x"):
            with self.subTest(version=version):
                answer = self.answered((400, 426), self.plain(without=("Sec-WebSocket-Version",),
                                                              extra=[("Sec-WebSocket-Version", version)]))
                if answer.status == 426:
                    self.assertEqual(answer.get("Sec-WebSocket-Version"), "13")
        answer = self.answered(426, self.plain(without=("Sec-WebSocket-Version",),
                                               extra=[("Sec-WebSocket-Version", "8")]))
        self.answered((400, 426), self.plain(without=("Sec-WebSocket-Version",)))

    def test_B1_5_names_in_any_case_and_order(self):
        key = base64.b64encode(os.urandom(16)).decode()
        request = (f"GET /ws HTTP/1.1\r\nsec-websocket-protocol:v12.stomp\r\nSEC-WEBSOCKET-VERSION:13\r\n"
                   f"sec-websocket-KEY:{key}\r\nconnection:upgrade\r\nupgrade:websocket\r\nUser-Agent:  t \r\n"
                   f"host:127.0.0.1:{broker.ws}\r\n\r\n").encode()
        answer = self.answered(101, request)
        self.assertEqual(answer.get("Sec-WebSocket-Protocol"), "v12.stomp")

    def test_B1_6_the_answer(self):
        answer = self.answered(101, self.plain(key="dGhlIHNhbXBsZSBub25jZQ=="))
        self.assertEqual(answer.get("Upgrade").lower(), "websocket")
        self.assertEqual(answer.get("Connection").lower(), "upgrade")
        self.assertEqual(answer.get("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        self.assertTrue(answer.status_line.startswith("HTTP/1.1 101 "))

    def test_B1_7_subprotocol_only_out_of_those_offered(self):
        for offered in (("chat",), ("v13.stomp", "V12.STOMP"), ("stomp",), ("v12.stompx",)):
            with self.subTest(offered=offered):
                answer, _ = self.ask(self.plain(protocols=offered))
                if answer.status == 101:
                    self.assertIsNone(answer.get("Sec-WebSocket-Protocol"))
        answer = self.answered(101, self.plain(protocols=("chat", "v11.stomp", "x")))
        self.assertEqual(answer.all("Sec-WebSocket-Protocol"), ["v11.stomp"])
        answer = self.answered(101, self.plain(protocols=("chat",), extra=[("Sec-WebSocket-Protocol", "v10.stomp"),
                                                                           ("Sec-WebSocket-Protocol", "v11.stomp")]))
        self.assertEqual(answer.all("Sec-WebSocket-Protocol"), ["v11.stomp"])

    def test_B1_8_the_highest_not_the_first(self):
        answer = self.answered(101, self.plain(protocols=("v10.stomp", "v11.stomp", "v12.stomp")))
        self.assertEqual(answer.get("Sec-WebSocket-Protocol"), "v12.stomp")
        answer = self.answered(101, self.plain(protocols=("v11.stomp", "v10.stomp")))
        self.assertEqual(answer.get("Sec-WebSocket-Protocol"), "v11.stomp")

    def test_B1_9_no_subprotocol(self):
        answer = self.answered(101, self.plain(protocols=()))
        self.assertIsNone(answer.get("Sec-WebSocket-Protocol"))
        client = WsClient(broker, protocols=())
        self.addCleanup(client.close)
        client.connect()

    def test_B1_10_origin(self):
        self.answered(403, self.plain(extra=[("Origin", "https://evil.example")]))
        self.answered(101, self.plain(extra=[("Origin", "http://127.0.0.1:3000")]))
        self.answered(101, self.plain(extra=[("Origin", "http://localhost:8080")]))

    def test_B1_11_frames_in_the_segment_of_the_request(self):
        connect = encode("CONNECT", {"accept-version": "1.2", "host": "localhost"})
        client = WsClient(broker, behind=ws_frame(TEXT, connect) + ws_frame(PING, b"early"))
        self.addCleanup(client.close)
        client.expect("CONNECTED")
        client.expect_pong(b"early")

    def test_B1_12_head_split_at_any_octet(self):
        sock = dial(broker.ws)
        self.addCleanup(sock.close)
        for octet in self.plain():
            sock.sendall(bytes([octet]))
        self.assertEqual(read_http_answer(sock).status, 101)

    def test_B1_12_head_size(self):
        self.answered((400, 431), self.plain(extra=[("X-Long", "x" * 100_000)]))
        self.answered((400, 431), self.plain(extra=[(f"X-{n}", "1") for n in range(500)]))

    def test_B1_13_unknown_path(self):
        self.answered(404, self.plain(path="/nope"))
        self.answered(404, self.plain(path="/"))
        self.answered(101, self.plain(path="/stomp"))
        self.answered(101, self.plain(path="/ws"))

    def test_B1_13_sockjs_raw_websocket_path(self):
        self.answered(101, self.plain(path="/stomp/websocket"))

    def test_B1_14_extensions(self):
        answer = self.answered(101, self.plain(extra=[("Sec-WebSocket-Extensions", "x-unknown; a=1, mux")]))
        self.assertIsNone(answer.get("Sec-WebSocket-Extensions"))
        answer, _ = self.ask(self.plain(extra=[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]))
        self.assertEqual(answer.status, 101)

    def test_B1_15_no_frame_before_the_101(self):
        answer, sock = self.ask(self.plain())
        self.assertEqual((answer.status, answer.rest), (101, b""))


class WebSocketFrames(unittest.TestCase):
    """B2 and B3: RFC 6455 sections 5 and 7."""

    def open(self, **options):
        client = WsClient(broker, **options)
        self.addCleanup(client.close)
        return client

    def session(self, **options):
        client = self.open(**options)
        client.connect()
        return client

    def failed(self, octets, codes=1002):
        """The octets make the broker fail the connection with the code, and ours alone."""
        client = self.session()
        client.send_raw(octets)
        codes = (codes,) if isinstance(codes, int) else codes
        self.assertIn(client.expect_end(), codes)

    def test_B2_1_unmasked_frame(self):
        self.failed(ws_frame(TEXT, b"\n", mask=None))
        self.failed(ws_frame(PING, b"", mask=None))
        self.failed(ws_frame(TEXT, b"", mask=None))

    def test_B2_2_rsv_bits(self):
        for rsv in (1, 2, 4, 7):
            self.failed(ws_frame(TEXT, b"\n", rsv=rsv))
            self.failed(ws_frame(PING, b"", rsv=rsv))

    def test_B2_3_reserved_opcodes(self):
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            with self.subTest(opcode=opcode):
                self.failed(ws_frame(opcode, b""))

    def test_B2_4_length_forms(self):
        client = self.session()
        for length in (0, 1, 125, 126, 127, 65535, 65536, 70000):
            client.send_raw(ws_frame(TEXT, b"\n" * length))
        client.fence()
        for bad in (ws_frame(TEXT, b"\n", form=16), ws_frame(TEXT, b"\n", form=64),
                    ws_frame(TEXT, b"\n" * 200, form=64)):
            client = self.session()
            client.send_raw(bad)
            try:
                client.fence()  # lenient readers may take it
            except (AssertionError, OSError):
                self.assertEqual(client.got_close_code or client.expect_end(), 1002)

    def test_B2_4_top_bit_of_the_64_bit_length(self):
        self.failed(ws_frame(TEXT, b"", form=64, length=1 << 63), (1002, 1009))

    def test_B2_5_control_frames(self):
        self.failed(ws_frame(PING, b"x" * 126))
        self.failed(ws_frame(PING, b"", fin=False))
        self.failed(ws_frame(CLOSE, b"", fin=False))
        self.failed(ws_frame(PONG, b"x" * 126))
        client = self.session()
        client.send_raw(ws_frame(PING, b"x" * 125))
        client.expect_pong(b"x" * 125)

    def test_B2_6_control_frames_between_fragments(self):
        client = self.session()
        client.send_raw(ws_frame(TEXT, b"SEND\ndestination:/topic/x\nrec", fin=False))
        client.send_raw(ws_frame(PING, b"now"))
        client.expect_pong(b"now")  # before the message is over
        client.send_raw(ws_frame(CONTINUATION, b"eipt:r\n\n", fin=False) + ws_frame(PONG, b"unasked") +
                        ws_frame(CONTINUATION, b"\0"))
        client.expect_receipt("r")

    def test_B2_7_fragments_in_disorder(self):
        self.failed(ws_frame(CONTINUATION, b"\n"))
        self.failed(ws_frame(TEXT, b"\n", fin=False) + ws_frame(TEXT, b"\n"))
        self.failed(ws_frame(TEXT, b"\n", fin=False) + ws_frame(BINARY, b"\n", fin=False))
        self.failed(ws_frame(TEXT, b"\n") + ws_frame(CONTINUATION, b"\n"))

    def test_B2_8_ping_and_pong(self):
        client = self.session()
        for payload in (b"", b"hello", bytes(range(125))):
            client.pongs.clear()
            client.send_raw(ws_frame(PING, payload))
            client.expect_pong(payload)
        client.send_raw(ws_frame(PONG, b"unasked"))
        client.send_raw(ws_frame(PING, b"1") + ws_frame(PING, b"2") + ws_frame(PING, b"last"))
        client.expect_pong(b"last")
        client.fence()

    def test_B2_8_ping_before_connect(self):
        client = self.open()
        client.send_raw(ws_frame(PING, b"x"))
        client.expect_pong(b"x")
        client.connect()

    def test_B2_9_empty_fragments_and_messages(self):
        client = self.session()
        client.send_raw(ws_frame(TEXT, b"") + ws_frame(BINARY, b"") + ws_frame(TEXT, b"", fin=False) +
                        ws_frame(CONTINUATION, b"", fin=False) + ws_frame(CONTINUATION, b"\n", fin=False) +
                        ws_frame(CONTINUATION, b""))
        client.fence()

    def test_B2_10_any_masking_key_and_single_octets(self):
        client = self.session()
        for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\1\2\3"):
            client.send_raw(ws_frame(TEXT, encode("SEND", {"destination": "/topic/x", "receipt": "r"}), mask=mask))
            client.expect_receipt("r")
        for octet in ws_frame(TEXT, encode("SEND", {"destination": "/topic/x", "receipt": "slow"})):
            client.send_raw(bytes([octet]))
        client.expect_receipt("slow")

    def test_B2_11_invalid_utf8_in_text(self):
        head = b"SEND\ndestination:/topic/x\n\n"
        for bad in (b"\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff", b"\xc3("):
            with self.subTest(octets=bad):
                self.failed(ws_frame(TEXT, head + bad + b"\0"), 1007)

    def test_B2_11_a_character_cut_off_by_the_messages_end(self):
        self.failed(ws_frame(TEXT, b"SEND\ndestination:/topic/x\n\n\xe2\x82"), 1007)
        self.failed(ws_frame(TEXT, b"SEND\ndestination:/topic/x\n\n\xe2", fin=False) + ws_frame(CONTINUATION, b"\x82"),
                    1007)

    def test_B2_11_fail_fast(self):
        """The close comes though most of the frame has not been sent."""
        whole = ws_frame(TEXT, b"SEND\ndestination:/topic/x\n\n\xffabc" + b"x" * 1000)
        self.failed(whole[:60], 1007)

    def test_B2_11_characters_over_fragment_borders(self):
        client = self.session()
        to = unique()
        client.subscribe(to)
        octets = b"SEND\ndestination:" + to.encode() + b"\n\n" + "é€😀\uffff\U0010ffff".encode() + b"\0"
        frames = [ws_frame(CONTINUATION if at else TEXT, octets[at:at + 1], fin=at == len(octets) - 1)
                  for at in range(len(octets))]
        client.send_raw(b"".join(frames))
        client.expect_message("é€😀\uffff\U0010ffff".encode())

    def test_B2_12_what_is_no_utf8_goes_as_binary(self):
        client = self.session()
        to = unique()
        client.subscribe(to)
        client.publish(to, "text €".encode())
        self.assertEqual(client.expect_message("text €".encode()).opcode, TEXT)
        client.publish(to, b"\xff\xfe")
        self.assertEqual(client.expect_message(b"\xff\xfe").opcode, BINARY)
        client.publish(to, b"a\0b", content_length=3)
        client.expect_message(b"a\0b")

    def test_B2_12_a_client_that_connected_in_binary_gets_binary(self):
        client = self.session(opcode=BINARY)
        to = unique()
        client.subscribe(to)
        client.publish(to, b"plain text")
        self.assertEqual(client.expect_message(b"plain text").opcode, BINARY)

    def test_B2_12_no_utf8_in_a_header_of_a_tcp_sender(self):
        to = unique()
        client = self.session()
        client.subscribe(to)
        with TcpClient(broker) as sender:
            sender.connect()
            sender.send(b"SEND\ndestination:" + to.encode() + b"\nk:\xff\n\nx\0")
            try:
                sender.fence()
            except AssertionError:
                return  # refused, as header text is UTF-8; nothing reached the subscriber then
        self.assertEqual(client.expect_message(b"x").opcode, BINARY)

    def test_B2_13_message_too_big_is_decided_by_the_header(self):
        client = self.session()
        client.send_raw(ws_frame(BINARY, b"", length=100_000_000))
        client.expect_error("frame-too-large", 1009)

    def test_B2_14_frames_and_messages_are_independent(self):
        client = self.session()
        one = encode("SEND", {"destination": "/topic/x", "receipt": "1"})
        two = encode("SEND", {"destination": "/topic/x", "receipt": "2"})
        three = encode("SEND", {"destination": "/topic/x", "receipt": "3"})
        client.send_raw(ws_frame(TEXT, one + two + three[:7]) + ws_frame(TEXT, three[7:30]) + ws_frame(TEXT, three[30:]))
        for receipt in "123":
            client.expect_receipt(receipt)

    def test_B2_15_text_and_binary_mixed_within_a_frame(self):
        client = self.session()
        octets = encode("SEND", {"destination": "/topic/x", "receipt": "r"}, b"body")
        for at in range(0, len(octets), 5):
            client.send_raw(ws_frame(BINARY if at % 2 else TEXT, octets[at:at + 5]))
        client.expect_receipt("r")

    def test_B3_1_close_is_answered_and_the_server_ends_first(self):
        client = self.session()
        client.send_raw(ws_frame(CLOSE, struct.pack("!H", 1000) + "tschüß".encode()))
        self.assertEqual(client.ws_frame()[0], CLOSE)
        self.assertIsNone(client.ws_frame())

    def test_B3_1_close_before_connect(self):
        client = self.open()
        client.send_raw(ws_frame(CLOSE, struct.pack("!H", 1001)))
        self.assertEqual(client.expect_end(), 1001)

    def test_B3_2_close_payloads(self):
        self.failed(ws_frame(CLOSE, b"\x03"), 1002)
        self.failed(ws_frame(CLOSE, struct.pack("!H", 1000) + b"\xff\xfe"), (1002, 1007))
        self.failed(ws_frame(CLOSE, struct.pack("!H", 1000) + b"x" * 123), 1000)

    def test_B3_3_close_codes(self):
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
            with self.subTest(code=code):
                self.failed(ws_frame(CLOSE, struct.pack("!H", code)), code)
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
            with self.subTest(code=code):
                self.failed(ws_frame(CLOSE, struct.pack("!H", code)), 1002)

    def test_B3_4_an_empty_close(self):
        client = self.session()
        client.send_raw(ws_frame(CLOSE, b""))
        opcode, payload = client.ws_frame()
        self.assertEqual(opcode, CLOSE)
        self.assertIn(payload, (b"", struct.pack("!H", 1000)))

    def test_B3_5_nothing_behind_the_close(self):
        """Data behind our close is ignored, and the server sends no data behind its own."""
        to = unique()
        watcher = self.session()
        watcher.subscribe(to)
        client = self.session()
        client.subscribe(to)
        client.send_raw(ws_frame(CLOSE, struct.pack("!H", 1000)) + ws_frame(TEXT, encode("SEND", {"destination": to}, b"late")))
        watcher.publish(to, b"good")
        watcher.expect_message(b"good")
        self.assertEqual(client.ws_frame()[0], CLOSE)
        self.assertIsNone(client.ws_frame())

    def test_B3_6_failing_a_connection_discards_its_input(self):
        client = self.session()
        client.send_raw(ws_frame(3, b""))
        try:
            for _ in range(50):
                client.send_raw(ws_frame(BINARY, b"\n" * 10_000))
        except OSError:
            pass
        self.assertEqual(client.expect_end(), 1002)

    def test_B3_7_a_peer_that_does_not_answer_is_dropped(self):
        client = self.session()
        client.send_raw(ws_frame(TEXT, b"NONSENSE\n\n\0"))
        client.expect("ERROR")
        opcode, _ = client.ws_frame()
        self.assertEqual(opcode, CLOSE)
        self.assertIsNone(client.ws_frame(5.0))  # the end, though we never answered

    def test_B3_7_the_end_of_tcp_without_a_close_frame(self):
        client = self.session()
        client.subscribe(unique())
        client.sock.shutdown(socket.SHUT_WR)
        try:
            client.expect_end()
        except Closed:
            pass

    def test_B3_8_error_then_close(self):
        client = self.session()
        client.send(b"NONSENSE\n\n\0")
        client.expect_error("unknown-command", 1002)


if __name__ == "__main__":
    unittest.main()
