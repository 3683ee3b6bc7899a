"""What the operator sees: every page of the admin listener beside real clients, and clients of it that are hostile."""

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import time
import unittest

from broker import SHARDS, Broker, seconds, wait_until
from wire import TcpClient, WsClient

PAGES = ["/metrics", "/livez", "/readyz", "/varz", "/connz", "/destz", "/shardz"]


class Admin(unittest.TestCase):
    def setUp(self):
        self.broker = Broker("--admin", "127.0.0.1:0", "--drain-delay", "0", "--drain-time", "30s", "--close-linger", "30s")
        self.addCleanup(self.broker.kill)
        self.port = self.broker.ports["admin"]["port"]

    # -- asking
    def ask(self, target, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds(10))
        try:
            connection.request(method, target, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def status(self, target, method="GET", **headers):
        return self.ask(target, method, **headers)[0].status

    def json(self, target):
        answer, body = self.ask(target)
        self.assertEqual((answer.status, answer.getheader("content-type")), (200, "application/json"))
        return json.loads(body)

    def metrics(self):
        """{"stampede_connections": 1.0, 'stampede_connections_closed_total{reason="drain"}': 0.0, ...}"""
        lines = self.ask("/metrics")[1].splitlines()
        return {name: float(value) for name, _, value in
                (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def dial(self):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=seconds(15))
        self.addCleanup(client.close)
        return client

    def raw(self, octets):
        """The whole answer to what is sent, up to the end of the stream."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds(15)) as client:
            client.sendall(octets)
            answer = b""
            while piece := client.recv(65536):
                answer += piece
            return answer.decode()

    # -- clients of the broker
    def tcp(self, **options):
        client = TcpClient(self.broker)
        self.addCleanup(client.close)
        client.connect(**options)
        return client

    def ws(self, **options):
        client = WsClient(self.broker)
        self.addCleanup(client.close)
        client.connect(**options)
        return client


class Pages(Admin):
    def test_no_page_is_dead(self):
        index = self.ask("/")[1]
        self.assertEqual([line.split()[0] for line in index.splitlines()], PAGES)
        for page in PAGES:
            with self.subTest(page):
                answer, body = self.ask(page)
                self.assertEqual(answer.status, 200)
                self.assertTrue(body.endswith("\n"))

    def test_head_says_the_same_without_the_body(self):
        for page in ("/livez", "/readyz", "/connz", "/nothing"):
            with self.subTest(page):
                answer, body = self.ask(page)
                head, nothing = self.ask(page, "HEAD")
                self.assertEqual((head.status, nothing), (answer.status, ""))
                self.assertEqual(head.getheader("content-length"), str(len(body)))

    def test_unknown_pages_and_methods(self):
        for page in ("/nothing", "/metrics/", "/LIVEZ", "/../etc/passwd"):
            self.assertEqual(self.status(page), 404, page)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            answer, _ = self.ask("/varz", method)
            self.assertEqual((answer.status, answer.getheader("allow")), (405, "GET, HEAD"), method)

    def test_promtool_finds_nothing_wrong(self):
        self.tcp().subscribe("/topic/a")
        check = subprocess.run(["promtool", "check", "metrics"], input=self.ask("/metrics")[1], text=True,
                               capture_output=True, timeout=seconds(20), check=False)
        self.assertEqual((check.returncode, check.stdout, check.stderr), (0, "", ""))

    def test_metrics_by_prefix(self):
        lines = [line for line in self.ask("/metrics?name=stampede_ring_")[1].splitlines() if line[0] != "#"]
        self.assertEqual(len(lines), 4 * SHARDS, lines)
        self.assertTrue(all(line.startswith("stampede_ring_") for line in lines), lines)
        self.assertEqual(self.ask("/metrics?name=nothing")[1], "")

    def test_varz_has_build_options_and_sums(self):
        self.tcp()
        varz = self.json("/varz")
        self.assertRegex(varz["build"], r"^stampede \d")
        self.assertEqual((varz["state"], varz["shards"], varz["connections"]), ("serving", SHARDS, 1))
        self.assertEqual(varz["process"]["pid"], self.broker.pid)
        self.assertEqual(varz["options"]["close_linger"], "30s")
        self.assertEqual(varz["options"]["max_headers"], "64")
        self.assertEqual(varz["tables"]["clients"], 1)
        self.assertEqual(varz["counters"]["connections_opened"], 1)
        self.assertTrue(0 <= varz["uptime_seconds"] < seconds(30), varz["uptime_seconds"])
        self.assertEqual(len(varz["listeners"]), 2)

    def test_shardz_adds_up_to_varz(self):
        for _ in range(5):
            self.tcp().subscribe("/topic/a")
        shards = self.json("/shardz")["shards"]
        self.assertEqual([shard["shard"] for shard in shards], list(range(SHARDS)))
        for key, value in self.json("/varz")["tables"].items():
            self.assertEqual(sum(shard["tables"][key] for shard in shards), value, key)
        for shard in shards:
            self.assertTrue(0 <= shard["busy_ratio"] <= 1, shard["busy_ratio"])


class Counters(Admin):
    def test_they_match_what_clients_saw(self):
        before = self.metrics()
        subscribers = [self.tcp(), self.ws(), self.ws()]
        for client in subscribers:
            client.subscribe("/topic/a")
        publisher = self.tcp()
        for number in range(20):
            publisher.send_frame("SEND", {"destination": "/topic/a", "message-id": f"m{number // 2}"})
        publisher.send_frame("SEND", {"destination": "/topic/nobody", "receipt": "r"})
        publisher.expect("RECEIPT")
        for client in subscribers:
            for _ in range(10):
                client.expect("MESSAGE")
        after = self.metrics()

        def grown(name):
            return after[name] - before[name]

        self.assertEqual(after["stampede_connections"], 4)
        self.assertEqual(after['stampede_subscriptions{kind="topic"}'], 3)
        self.assertEqual(grown("stampede_connections_opened_total"), 4)
        self.assertEqual(grown("stampede_messages_received_total"), 21)
        self.assertEqual(grown("stampede_messages_delivered_total"), 30)
        self.assertEqual(grown('stampede_messages_dropped_total{cause="duplicate"}'), 10)
        self.assertEqual(grown("stampede_messages_unrouted_total"), 1)
        self.assertGreater(grown("stampede_bytes_received_total"), 21 * 20)
        self.assertGreater(grown("stampede_bytes_sent_total"), 30 * 50)

    def test_queues(self):
        producer = self.tcp()
        for _ in range(5):
            producer.send_frame("SEND", {"destination": "/queue/a", "receipt": "r"})
            producer.expect("RECEIPT")
        self.assertEqual(self.metrics()['stampede_queue_messages{state="waiting"}'], 5)
        consumer = self.tcp()
        consumer.subscribe("/queue/a", ack="client-individual")
        first = [consumer.expect("MESSAGE") for _ in range(5)][0]
        consumer.send_frame("ACK", {"id": first.get("ack"), "receipt": "acked"})
        consumer.expect("RECEIPT")
        # The RECEIPT may be ahead of the owner's turn.
        wait_until(lambda: self.metrics()["stampede_queue_acknowledged_total"] == 1, "one acknowledged")
        metrics = self.metrics()
        self.assertEqual(metrics['stampede_queue_messages{state="waiting"}'], 0)
        self.assertEqual(metrics['stampede_queue_messages{state="unsettled"}'], 4)
        self.assertEqual(metrics["stampede_queue_delivered_total"], 5)

    def test_ends_are_counted_by_reason(self):
        client = self.tcp()
        client.send_frame("DISCONNECT", {"receipt": "bye"})
        client.expect("RECEIPT")
        name = 'stampede_connections_closed_total{reason="client_disconnect"}'
        wait_until(lambda: self.metrics()[name] == 1, "the end is counted")


class Lists(Admin):
    def test_connz_shows_who_is_there(self):
        ws, tcp, silent = self.ws(version="1.1"), self.tcp(), TcpClient(self.broker)
        self.addCleanup(silent.close)
        ws.subscribe("/topic/a", id="1")
        ws.subscribe("/queue/a", id="2")
        wait_until(lambda: self.json("/connz")["total"] == 3, "three connections")
        page = self.json("/connz")
        by_peer = {entry["peer"]: entry for entry in page["connections"]}
        host, port = ws.sock.getsockname()
        entry = by_peer[f"{host}:{port}"]
        self.assertEqual((entry["transport"], entry["version"], entry["state"]), ("ws", "1.1", "connected"))
        self.assertEqual((entry["subscriptions"], entry["lag_bytes"]), (2, 0))
        self.assertRegex(entry["since"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        host, port = tcp.sock.getsockname()
        self.assertEqual(by_peer[f"{host}:{port}"]["transport"], "stomp")
        host, port = silent.sock.getsockname()
        self.assertEqual((by_peer[f"{host}:{port}"]["state"], by_peer[f"{host}:{port}"]["version"]),
                         ("connecting", ""))

    def test_pages_of_connz_are_the_whole(self):
        for _ in range(11):
            self.tcp()
        whole = {(entry["shard"], entry["id"]) for entry in self.json("/connz")["connections"]}
        pages = [self.json(f"/connz?limit=4&offset={offset}")["connections"] for offset in (0, 4, 8, 12)]
        self.assertEqual([len(page) for page in pages], [4, 4, 3, 0])
        self.assertEqual({(entry["shard"], entry["id"]) for page in pages for entry in page}, whole)

    def test_limits_of_a_page(self):
        for query in ("limit=0", "limit=1001", "limit=", "limit=x", "limit=-1", "offset=-1", "offset=1x"):
            for page in ("/connz", "/destz"):
                self.assertEqual(self.status(f"{page}?{query}"), 400, query)
        self.assertEqual(self.json("/connz?limit=1000&offset=18446744073709551615")["connections"], [])
        self.assertEqual(self.json("/destz?limit=1")["limit"], 1)

    def test_destz_shows_topics_and_queues(self):
        for _ in range(3):
            self.tcp().subscribe("/topic/prices")
        self.tcp().subscribe("/topic/*")
        producer = self.tcp()
        for _ in range(3):
            producer.send_frame("SEND", {"destination": "/queue/jobs", "receipt": "r"}, b"work")
            producer.expect("RECEIPT")
        consumer = self.tcp()
        consumer.subscribe("/queue/jobs", ack="client-individual", prefetch_count="1")
        consumer.expect("MESSAGE")
        page = self.json("/destz")
        topics = [topic for topic in page["topics"] if topic["destination"] == "/topic/prices"]
        self.assertEqual(sum(topic["subscriptions"] for topic in topics), 3)
        self.assertEqual({topic["pattern"] for topic in topics}, {False})
        self.assertTrue(any(topic["pattern"] and topic["destination"] == "/topic/*" for topic in page["topics"]))
        self.assertEqual(page["topics_total"], len(page["topics"]))
        self.assertEqual(page["queues_total"], 1)
        queue = page["queues"][0]
        self.assertEqual((queue["destination"], queue["consumers"]), ("/queue/jobs", 1))
        self.assertEqual(queue["waiting"] + queue["unsettled"], 3)
        self.assertGreaterEqual(queue["unsettled"], 1)

    def test_names_that_clients_chose_stay_within_their_strings(self):
        client = self.tcp()
        client.send_frame("SUBSCRIBE", {"id": "1", "destination": '/topic/"},{<script>\x01\udcff', "receipt": "r"})
        client.expect("RECEIPT")
        answer, body = self.ask("/destz")
        self.assertEqual(json.loads(body)["topics_total"], 1)
        self.assertNotIn("<", body)
        self.assertEqual(answer.getheader("x-content-type-options"), "nosniff")


class Hostile(Admin):
    def test_what_is_not_a_request(self):
        self.assertIn(" 400 ", self.raw(b"CONNECT\naccept-version:1.2\n\n\0"))
        self.assertIn(" 400 ", self.raw(b"\x16\x03\x01\x02\x00\x01\x00"))
        self.assertIn(" 400 ", self.raw(b"GET /livez HTTP/1.1\r\n\r\n"))
        self.assertIn(" 505 ", self.raw(b"GET /livez HTTP/2.0\r\nHost: a\r\n\r\n"))

    def test_an_oversized_request_is_told_even_while_it_is_sent(self):
        self.assertIn(" 431 ", self.raw(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"))
        headers = b"".join(b"A%d: b\r\n" % number for number in range(65))
        self.assertIn(" 431 ", self.raw(b"GET / HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n"))

    def test_a_request_in_single_octets(self):
        client = self.dial()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n":
            client.sendall(bytes([octet]))
        self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 200 OK"))

    def test_the_first_of_several_requests_is_answered_and_the_connection_closed(self):
        answer = self.raw(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        self.assertEqual(answer.count("HTTP/1.1"), 1)
        self.assertIn("Connection: close", answer)

    def test_half_a_request_ends_at_its_deadline(self):
        client = self.dial()
        client.sendall(b"GET /livez HTT")
        self.assertEqual(client.recv(1), b"")

    def test_stuck_connections_hold_up_nobody(self):
        stuck = [self.dial() for _ in range(20)]
        for number, client in enumerate(stuck):
            client.sendall((b"", b"GET", b"GET /metrics HTTP/1.1\r\nHost")[number % 3])
        start = time.monotonic()
        self.assertIn("stampede_connections", self.ask("/metrics")[1])
        self.assertLess(time.monotonic() - start, seconds(2))

    def test_more_stuck_connections_than_there_is_room_for(self):
        stuck = [self.dial() for _ in range(100)]
        self.assertEqual(self.status("/livez"), 200)
        for client in stuck:
            client.close()

    def test_one_that_does_not_read_holds_up_nobody(self):
        for _ in range(20):
            client = socket.socket()
            self.addCleanup(client.close)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", self.port))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(self.status("/livez"), 200)

    def test_stuck_connections_do_not_keep_the_broker(self):
        stuck = [self.dial() for _ in range(20)]
        stuck[0].sendall(b"GET /li")
        start = time.monotonic()
        self.broker.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.broker.wait_exit(5), 0)
        self.assertLess(time.monotonic() - start, seconds(2))


class StuckThread:
    """Holds one thread of the broker where it is, while the others go on (ptrace(2))."""

    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, pid, name):
        self.tid = next(tid for tid in map(int, os.listdir(f"/proc/{pid}/task"))
                        if self.name_of(pid, tid) == name)

    @staticmethod
    def name_of(pid, tid):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8") as file:
            return file.read().strip()

    def ptrace(self, request):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(request, self.tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def __enter__(self):
        self.ptrace(self.SEIZE)
        self.ptrace(self.INTERRUPT)
        os.waitpid(self.tid, self.WALL)

    def __exit__(self, *_):
        self.ptrace(self.DETACH)


class Health(Admin):
    def test_a_stuck_shard_is_named_until_it_goes_on(self):
        shard = SHARDS - 1
        with StuckThread(self.broker.pid, f"shard-{shard}"):
            for page in ("/livez", "/metrics", "/connz"):
                answer, body = self.ask(page)
                self.assertEqual((answer.status, body), (503, f"shard {shard} does not answer\n"))
        self.assertEqual(self.ask("/livez")[1], "ok\n")

    def test_readyz_says_draining_until_the_end(self):
        self.assertEqual(self.status("/readyz"), 200)
        stays = self.ws()  # never answers the close: the drain waits for it
        self.broker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: self.status("/readyz") == 503, "readyz says 503")
        self.assertEqual(self.ask("/readyz")[1], "draining\n")
        self.assertEqual(self.ask("/livez")[1], "ok\n")
        self.assertEqual(self.json("/varz")["state"], "draining")
        self.assertEqual(self.json("/connz")["connections"][0]["state"], "closing")
        stays.sock.close()
        self.assertEqual(self.broker.wait_exit(10), 0)


if __name__ == "__main__":
    unittest.main()
