"""Readers that do not read, on topics that rather lose a message than a reader."""

import tempfile
import unittest

from broker import Broker, seconds, wait_until
from operator_pages import metrics
from wire import TcpClient, WsClient

BODY = 4_000
RULES = ["drop-old /topic/old bytes=256K", "drop-new /topic/new bytes=256K",
         "conflate /topic/price.# key=symbol bytes=256K", "conflate /topic/latest bytes=256K"]


def start(*flags):
    rules = [flag for rule in RULES for flag in ("--slow-consumer", rule)]
    return Broker("--admin", "127.0.0.1:0", "--send-buffer", "32768", "--slow-consumer-after", "500ms", *rules, *flags)


class Policies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def setUp(self):
        self.sent = 0
        self.before = metrics(self.broker)
        self.publisher = self.connected(TcpClient)

    def connected(self, transport, **options):
        client = transport(self.broker, **options)
        self.addCleanup(client.close)
        client.connect()
        return client

    def reader(self, destination, transport=TcpClient, **headers):
        client = self.connected(transport, receive_buffer=4096)
        client.subscribe(destination, **headers)
        return client

    def watcher(self, destination):
        client = self.connected(TcpClient)
        client.subscribe(destination)
        return client

    def publish(self, destination, **headers):
        self.publisher.publish(destination, str(self.sent).encode().ljust(BODY), **headers)
        self.sent += 1

    def count(self, name):
        return metrics(self.broker)[name] - self.before[name]

    def flood(self, destination, watchers, cause, least=300, headers=lambda number: {}):
        """Publishes until the broker has dropped that many; those who read get everything."""
        while self.count(f'stampede_messages_dropped_total{{cause="{cause}"}}') < least:
            self.assertLess(self.sent, 20_000)
            for _ in range(50):
                self.publish(destination, **headers(self.sent))
                for watcher in watchers:
                    self.assertEqual(int(watcher.expect_message(timeout=10).body), self.sent - 1)

    def read_up_to(self, client, last):
        """[(number, how many were missed before it)] up to and with a number."""
        given = []
        while not given or given[-1][0] != last:
            frame = client.expect_message(timeout=10)
            given.append((int(frame.body), int(frame.get("dropped") or 0)))
        return given

    def assert_adds_up(self, given):
        expected = 0
        for number, missed in given:
            self.assertEqual(number, expected + missed, given)
            expected = number + 1

    def begin_and_end(self, destination, cause, transport):
        """What a reader got that slept for a while, and the broker's count of what it did not."""
        client = self.reader(destination, transport)
        watcher = self.watcher(destination)
        name = f'stampede_messages_dropped_total{{cause="{cause}"}}'
        # Those that stop only count when they go on.
        if cause == "drop_old":
            self.flood(destination, [watcher], cause)
        else:
            for _ in range(1_500):
                self.publish(destination)
                watcher.expect_message(timeout=10)
        wait_until(lambda: metrics(self.broker)["stampede_slow_subscriptions"] == 1, "a subscription that lags")
        self.assertEqual(self.count(f'stampede_slow_consumers_total{{action="{cause}"}}'), 1)
        given = self.read_up_to(client, self.sent - 1) if cause != "drop_new" else []
        if cause == "drop_new":
            # It gets the old ones, and with the next what it missed.
            while not given or self.count(name) == 0:
                given += [(int(frame.body), int(frame.get("dropped") or 0)) for frame in [client.expect_message()]]
            self.publish(destination)
            watcher.expect_message()
            given += self.read_up_to(client, self.sent - 1)
        self.publish(destination)
        watcher.expect_message()
        given += self.read_up_to(client, self.sent - 1)
        self.assert_adds_up(given)
        self.assertGreater(sum(missed for _, missed in given), 100)
        self.assertEqual(self.count(name), sum(missed for _, missed in given))
        wait_until(lambda: metrics(self.broker)["stampede_slow_subscriptions"] == 0, "nobody to lag")
        for one in (client, watcher):
            one.fence()
            one.close()
        return given

    def test_drop_old_keeps_the_newest(self):
        for transport in (TcpClient, WsClient):
            with self.subTest(transport.transport):
                self.setUp()
                given = self.begin_and_end("/topic/old", "drop_old", transport)
                self.assertLess(len(given), 1_000)

    def test_drop_new_keeps_the_oldest(self):
        for transport in (TcpClient, WsClient):
            with self.subTest(transport.transport):
                self.setUp()
                given = self.begin_and_end("/topic/new", "drop_new", transport)
                self.assertEqual([number for number, _ in given[:50]], list(range(50)))

    def test_conflate_gives_the_newest_when_the_reader_wakes(self):
        for transport in (TcpClient, WsClient):
            with self.subTest(transport.transport):
                self.setUp()
                self.begin_and_end("/topic/latest", "conflate", transport)

    def test_conflate_by_a_header_gives_the_newest_of_each_value(self):
        client = self.reader("/topic/price.#", WsClient)
        watcher = self.watcher("/topic/price.eu")
        for _ in range(2_000):
            self.publish("/topic/price.eu", symbol=f"s{self.sent % 7}")
            watcher.expect_message(timeout=10)
        given = self.read_up_to(client, self.sent - 1)
        self.assert_adds_up(given)
        gap = next(place for place, (_, missed) in enumerate(given) if missed > 0)
        self.assertEqual([number for number, _ in given[gap:]], list(range(self.sent - 7, self.sent)))

    def test_who_does_not_read_is_kept_for_longer_than_slow_consumer_after(self):
        client = self.reader("/topic/latest")
        stuck = self.reader("/topic/other")
        for _ in range(180):  # less than --slow-consumer-bytes
            self.publish("/topic/latest")
            self.publish("/topic/other")
        self.publisher.fence()
        name = 'stampede_connections_closed_total{reason="slow_soft"}'
        wait_until(lambda: self.count(name) >= 1, "the one who may miss nothing to be gone")
        self.assertEqual(self.count(name), 1)
        self.read_up_to(client, self.sent - 2)
        client.fence()
        stuck.close()

    def test_a_subscriber_asks_for_less(self):
        client = self.reader("/topic/old", **{"slow-consumer": "conflate"})
        for _ in range(1_000):
            self.publish("/topic/old")
        self.publisher.fence()
        given = self.read_up_to(client, self.sent - 1)
        self.assert_adds_up(given)
        self.assertGreater(given[-1][1], 300)
        client.fence()

    def test_a_subscriber_cannot_ask_for_more(self):
        client = self.connected(TcpClient)
        client.send_frame("SUBSCRIBE", {"id": "1", "destination": "/topic/x", "slow-consumer": "drop-old"})
        self.assertIn(b"--slow-consumer", client.expect_error("unsupported-header").body)

    def test_lines_of_the_log_are_few(self):
        clients = [self.reader("/topic/old") for _ in range(20)]
        watcher = self.watcher("/topic/old")
        before = self.broker.stderr().count("slow_consumer client=")
        self.flood("/topic/old", [watcher], "drop_old", 20 * 50)
        wait_until(lambda: metrics(self.broker)["stampede_slow_subscriptions"] == 20, "all to lag")
        self.assertLess(self.broker.stderr().count("slow_consumer client=") - before, 20)
        for client in clients:
            client.close()
        wait_until(lambda: "slow_consumer client=" in self.broker.stderr(), "a line in the log")


class Files(unittest.TestCase):
    def test_rules_in_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write('slow_consumer = ["conflate /topic/a bytes=64K", drop-new]\n')
            file.flush()
            with Broker("--config", file.name) as broker, TcpClient(broker) as client:
                client.connect()
                client.subscribe("/topic/a", **{"slow-consumer": "conflate"})
                client.subscribe("/topic/b", id="1", **{"slow-consumer": "drop-old"})


if __name__ == "__main__":
    unittest.main()
