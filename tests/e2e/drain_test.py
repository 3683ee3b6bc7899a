"""How the broker ends: SIGTERM drains and exits with 0, a second one ends it now; and how it bears clients that are killed."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

from broker import Broker, seconds, wait_until
from wire import CLOSE, Closed, TcpClient, WsClient, dial, encode, unique


class Drain(unittest.TestCase):
    def tcp(self, broker, **options):
        client = TcpClient(broker, **options)
        self.addCleanup(client.close)
        return client

    def ws(self, broker):
        client = WsClient(broker)
        self.addCleanup(client.close)
        return client

    def broker(self, *flags):
        broker = Broker(*flags)
        self.addCleanup(broker.kill)
        return broker

    def test_idle(self):
        broker = self.broker()
        start = time.monotonic()
        broker.stop()
        self.assertLess(time.monotonic() - start, seconds(2))

    def test_sigint(self):
        broker = self.broker()
        broker.process.send_signal(signal.SIGINT)
        self.assertEqual(broker.wait_exit(5), 0)

    def test_ports_file_and_stdout(self):
        broker = self.broker()
        self.assertEqual(broker.ports["pid"], broker.pid)
        ws = next(entry for entry in broker.ports["listeners"] if entry["transport"] == "ws")
        self.assertEqual((ws["host"], ws["paths"]), ("127.0.0.1", ["/stomp", "/ws"]))
        self.assertEqual(ws["uri"], f"ws://127.0.0.1:{ws['port']}")
        self.assertEqual(len(broker.stdout_lines), 3, broker.stdout_lines)
        self.assertEqual(broker.stdout_lines[-1], "ready")
        for entry in broker.ports["listeners"]:
            self.assertTrue(any(str(entry["port"]) in line for line in broker.stdout_lines), broker.stdout_lines)
        broker.stop()

    def test_clients_are_told(self):
        broker = self.broker()
        ws, tcp, silent = self.ws(broker), self.tcp(broker), self.tcp(broker)
        ws.connect()
        tcp.connect()
        ws.subscribe("/topic/x")
        broker.process.send_signal(signal.SIGTERM)
        tcp.expect_error("server-draining")
        try:
            while ws.frame().command != "ERROR":
                pass
        except Closed:
            pass
        self.assertEqual(ws.got_close_code or ws.expect_end(), 1012)
        ws.sock.close()
        try:
            silent.expect_error("server-draining")
        except Closed:
            pass  # it never said CONNECT: just the end is fine
        self.assertEqual(broker.wait_exit(10), 0)

    def test_no_new_connections_while_draining(self):
        broker = self.broker("--drain-time", "20s", "--close-linger", "3s")
        stays = self.ws(broker)  # never answers the close: the drain waits for it
        stays.connect()
        broker.process.send_signal(signal.SIGTERM)
        while stays.ws_frame()[0] != CLOSE:
            pass
        for port in (broker.tcp, broker.ws):
            try:
                with dial(port) as sock:
                    sock.sendall(encode("CONNECT", {"accept-version": "1.2", "host": "x"}))
                    octets = sock.recv(4096)
                    self.assertNotIn(b"CONNECTED", octets)
            except ConnectionError:
                pass
        stays.close()
        self.assertEqual(broker.wait_exit(10), 0)

    def test_under_load(self):
        """Each client gets whole frames in order up to the close; each RECEIPT sent was true."""
        broker = self.broker()
        to = unique()
        subscribers = [self.ws(broker) for _ in range(10)] + [self.tcp(broker) for _ in range(10)]
        for client in subscribers:
            client.connect()
            client.subscribe(to)
        publisher = self.tcp(broker)
        publisher.connect()
        counts = {"sent": 0, "acknowledged": 0}
        outcomes = [None] * len(subscribers)

        def publish():
            try:
                while True:
                    for _ in range(20):
                        publisher.publish(to, b"%d" % counts["sent"], receipt=str(counts["sent"]))
                        counts["sent"] += 1
                    while counts["acknowledged"] < counts["sent"]:
                        frame = publisher.frame(10)
                        if frame.command == "ERROR":
                            counts["token"] = frame.get("message")
                            return
                        assert frame.get("receipt-id") == str(counts["acknowledged"]), frame
                        counts["acknowledged"] += 1
            except (OSError, Closed) as error:
                counts["error"] = repr(error)

        def listen(index):
            client, got, last = subscribers[index], 0, None
            try:
                while True:
                    last = client.frame(20)
                    if last.command == "ERROR":
                        assert last.get("message") == "server-draining", last
                        client.expect_end()
                        break
                    assert last.body == b"%d" % got, f"{last!r} instead of {got}"
                    got += 1
            except Closed as error:
                if client.transport == "tcp" or client.got_close_code is None:
                    outcomes[index] = f"no ending: {error}, the last frame was {last!r}"
                    return
            except AssertionError as error:
                outcomes[index] = repr(error)
                return
            finally:
                client.close()
            outcomes[index] = (got, client.got_close_code)

        threads = [threading.Thread(target=publish, daemon=True)]
        threads += [threading.Thread(target=listen, args=(n,), daemon=True) for n in range(len(subscribers))]
        for thread in threads:
            thread.start()
        wait_until(lambda: counts["acknowledged"] > 500, "some load", 20)
        broker.process.send_signal(signal.SIGTERM)
        self.assertEqual(broker.wait_exit(20), 0, broker.stderr()[-3000:])
        for thread in threads:
            thread.join(seconds(10))
        for index, outcome in enumerate(outcomes):
            self.assertIsInstance(outcome, tuple, f"subscriber {index}: {outcome}")
            got, code = outcome
            self.assertGreaterEqual(got, counts["acknowledged"], f"subscriber {index} lacks what was acknowledged")
            self.assertLessEqual(got, counts["sent"])
            if subscribers[index].transport == "ws":
                self.assertEqual(code, 1012)

    def ask_readiness(self, broker):
        connection = http.client.HTTPConnection("127.0.0.1", broker.ports["admin"]["port"], timeout=seconds(10))
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status
        finally:
            connection.close()

    def test_readiness_fails_while_connections_are_still_accepted(self):
        broker = self.broker("--admin", "127.0.0.1:0", "--drain-delay", "2s", "--drain-time", "5s")
        there = self.ws(broker)
        there.connect()
        start = time.monotonic()
        broker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: self.ask_readiness(broker) == 503, "the readiness to fail")
        late = self.tcp(broker)
        late.connect()
        late.fence()
        self.assertLess(time.monotonic() - start, 2.0, "too slow a machine to tell")
        for client in (late, there):
            try:
                while client.frame(10).command != "ERROR":
                    pass
                client.expect_end()
            except Closed:
                pass
        self.assertGreater(time.monotonic() - start, 1.9)
        self.assertEqual(there.got_close_code, 1012)
        for client in (late, there):
            client.close()
        self.assertEqual(broker.wait_exit(10), 0)

    def test_who_watches_the_readiness_is_given_time(self):
        for is_watched in (False, True):
            broker = self.broker("--admin", "127.0.0.1:0")
            if is_watched:
                self.assertEqual(self.ask_readiness(broker), 200)
            broker.process.send_signal(signal.SIGTERM)
            delay = "5s" if is_watched else "0ms"
            wait_until(lambda: f"draining signal=TERM connections=0 drain_delay={delay} " in broker.stderr(), "the log")
            if is_watched:
                self.assertTrue(broker.is_running())
                broker.process.send_signal(signal.SIGTERM)
            self.assertEqual(broker.wait_exit(1), 0)

    def test_who_is_in_the_middle_of_connecting_is_told_too(self):
        broker = self.broker("--drain-time", "5s")
        waiting = self.ws(broker)  # no CONNECT came from it
        broker.process.send_signal(signal.SIGTERM)
        self.assertEqual(waiting.expect_end(timeout=10), 1012)
        waiting.close()
        self.assertEqual(broker.wait_exit(10), 0)

    def test_a_stuck_reader_holds_the_drain_only_for_its_time(self):
        broker = self.broker("--drain-time", "1s", "--slow-consumer-after", "60s")
        stuck = self.stuck(broker)
        start = time.monotonic()
        broker.process.send_signal(signal.SIGTERM)
        self.assertEqual(broker.wait_exit(10), 0)
        self.assertLess(time.monotonic() - start, 1.0 + seconds(3))
        stuck.close()

    def stuck(self, broker):
        """A subscriber with unread messages in the broker."""
        stuck = self.tcp(broker, receive_buffer=4096)
        stuck.connect()
        stuck.subscribe("/topic/x")
        with TcpClient(broker) as sender:
            sender.connect()
            for _ in range(100):
                sender.publish("/topic/x", b"x" * 8000)
            sender.fence()
        return stuck

    def test_a_second_term_ends_it_now(self):
        for second in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(second=second):
                broker = self.broker("--drain-time", "60s", "--slow-consumer-after", "60s", "--close-linger", "60s")
                stuck = self.stuck(broker)
                other = self.ws(broker)
                other.connect()
                broker.process.send_signal(signal.SIGTERM)
                while other.ws_frame()[0] != CLOSE:  # the drain has begun
                    pass
                self.assertTrue(broker.is_running())
                start = time.monotonic()
                broker.process.send_signal(second)
                code = broker.wait_exit(5)
                self.assertLess(time.monotonic() - start, seconds(2))
                self.assertIn(code, (0, 1), "an exit of its own, not a death by the signal")
                stuck.close()
                other.close()

    def test_killed_clients(self):
        """kill -9 of client processes: their places are freed and the others notice nothing."""
        broker = self.broker()
        program = (
            "import os\n"
            "from wire import TcpClient, WsClient\n"
            "from types import SimpleNamespace\n"
            f"broker = SimpleNamespace(tcp={broker.tcp}, ws={broker.ws})\n"
            "mine = f'/topic/{os.getpid()}'\n"
            "clients = [TcpClient(broker) for _ in range(20)] + [WsClient(broker) for _ in range(20)]\n"
            "for client in clients:\n"
            "    client.connect()\n"
            "    client.subscribe(mine)\n"
            "    client.subscribe(mine + '.*', 'pattern')\n"
            "print('subscribed', flush=True)\n"
            "while True:\n"
            "    for to in (mine, mine + '.x'):\n"
            "        clients[0].publish(to, b'x' * 1000)\n"
            "        for client in clients:\n"
            "            client.expect_message()\n")
        keeper = self.tcp(broker)
        keeper.connect()
        keeper.subscribe("/topic/kept")
        processes = []
        try:
            for _ in range(3):
                processes.append(subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE,
                                                  stderr=subprocess.DEVNULL,
                                                  cwd=os.path.dirname(os.path.abspath(__file__))))
            for process in processes:
                self.assertEqual(process.stdout.readline(), b"subscribed\n")
            self.assertEqual(broker.tables()["subscriptions"], 1 + 3 * 80)
            for number, process in enumerate(processes):
                process.kill()
                process.wait()
                keeper.publish("/topic/kept", b"%d" % number)
                keeper.expect_message(b"%d" % number)
            wait_until(lambda: broker.tables()["clients"] == 1, "only the keeper to be left")
            self.assertEqual(broker.tables()["subscriptions"], 1)
            keeper.fence()
            keeper.close()
            broker.wait_for_empty_tables()
        finally:
            for process in processes:
                process.kill()
                process.wait()
                process.stdout.close()
        broker.stop()


if __name__ == "__main__":
    unittest.main()
