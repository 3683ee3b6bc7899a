"""A broker's listening sockets outlive it: a new broker takes them over, or a service manager holds them.

Whoever connects meanwhile is neither refused nor reset.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from broker import SHARDS, Broker, seconds, wait_until
from connect_stream import ConnectStream
from wire import TcpClient, WsClient

BINARY = os.environ.get("STAMPEDE_BINARY")
HERE = os.path.dirname(os.path.abspath(__file__))
ADMIN = ("--admin", "127.0.0.1:0")


def varz(broker):
    connection = http.client.HTTPConnection("127.0.0.1", broker.ports["admin"]["port"], timeout=seconds(10))
    try:
        connection.request("GET", "/varz")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


class TakeoverCase(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="stampede-takeover-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.path = os.path.join(self.directory, "takeover")

    def start(self, *flags, shards=None):
        broker = Broker("--takeover", self.path, *ADMIN, *flags, shards=shards)
        self.addCleanup(broker.kill)
        return broker

    def refused(self, *flags):
        """What a broker says that cannot start."""
        command = [BINARY, "--listen", "ws://127.0.0.1:0", "--listen", "stomp://127.0.0.1:0", "--admin", "off",
                   "--takeover", self.path, *flags]
        result = subprocess.run(command, capture_output=True, text=True, timeout=seconds(20), check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        return result.stderr

    def serves(self, broker):
        for kind in (TcpClient, WsClient):
            with kind(broker) as client:
                client.connect()
                client.fence()


class Takeover(TakeoverCase):
    def take_over(self, old_shards, new_shards):
        old = self.start(shards=old_shards)
        stays = WsClient(old)
        self.addCleanup(stays.close)
        stays.connect()
        stays.subscribe("/topic/x")
        with ConnectStream(old.ws, old.tcp, rate=500) as stream:
            wait_until(lambda: stream.connected > 200, "some clients", 20)
            new = self.start(shards=new_shards)
            self.assertEqual(stays.expect_end(timeout=20), 1012)
            stays.close()
            self.assertEqual(old.wait_exit(30), 0, old.stderr()[-3000:])
            after = stream.connected
            wait_until(lambda: stream.connected > after + 200, "clients of the new one", 20)
        self.assertEqual(stream.failures, [], f"{len(stream.failures)} of {stream.connected + len(stream.failures)}")
        self.assertLess(stream.longest, seconds(5))
        self.assertEqual((new.ws, new.tcp, new.ports["admin"]), (old.ws, old.tcp, old.ports["admin"]))
        self.assertEqual(varz(new)["process"]["pid"], new.pid)
        self.assertIn(f"draining taken_over_by={new.pid} ", old.stderr())
        self.assertIn(f"took over pid={old.pid}", new.stderr())
        self.serves(new)
        new.stop()
        self.assertFalse(os.path.exists(self.path), "the last one takes its socket with it")

    def test_as_many_shards(self):
        self.take_over(2, 2)

    def test_more_shards(self):
        self.take_over(1, 4)

    def test_fewer_shards(self):
        self.take_over(4, 2)

    def test_one_shard(self):
        self.take_over(3, 1)

    def test_clients_of_more_shards_than_sockets_are_dealt_to_all(self):
        old = self.start(shards=1)
        new = self.start(shards=3)
        self.assertEqual(old.wait_exit(10), 0)
        clients = [TcpClient(new) for _ in range(12)]
        for client in clients:
            client.connect()
        connection = http.client.HTTPConnection("127.0.0.1", new.ports["admin"]["port"], timeout=seconds(10))
        connection.request("GET", "/shardz")
        shards = json.loads(connection.getresponse().read())["shards"]
        connection.close()
        self.assertEqual([shard["tables"]["clients"] for shard in shards], [4, 4, 4])
        for client in clients:
            client.close()
        new.stop()

    def test_one_after_the_other(self):
        broker = self.start(shards=SHARDS)
        for _ in range(3):
            successor = self.start(shards=SHARDS)
            self.assertEqual(broker.wait_exit(10), 0)
            self.assertEqual(successor.ws, broker.ws)
            self.serves(successor)
            broker = successor
        broker.stop()

    def test_several_at_once(self):
        """They line up, and the last one serves."""
        first = self.start()
        started = []
        over = threading.Event()  # a broker dies with the thread that started it
        self.addCleanup(over.set)
        for _ in range(3):
            threading.Thread(target=lambda: (started.append(self.start()), over.wait()), daemon=True).start()
        self.assertEqual(first.wait_exit(20), 0)
        wait_until(lambda: len(started) == 3, "all three", 20)
        wait_until(lambda: sum(broker.is_running() for broker in started) == 1, "one that serves", 20)
        last = next(broker for broker in started if broker.is_running())
        self.assertEqual(last.ws, first.ws)
        self.serves(last)
        last.stop()

    def test_a_new_one_that_fails_changes_nothing(self):
        old = self.start()
        self.assertIn("/nonexistent/file", self.refused("--ports-file", "/nonexistent/file"))
        wait_until(lambda: "serving on" in old.stderr(), "the word about it")
        self.serves(old)
        new = self.start()
        self.assertEqual(old.wait_exit(10), 0)
        new.stop()

    def test_term_ends_what_a_takeover_began(self):
        old = self.start("--drain-time", "60s", "--close-linger", "60s")
        stays = WsClient(old)
        self.addCleanup(stays.close)
        stays.connect()
        new = self.start()
        wait_until(lambda: "taken_over_by" in old.stderr(), "the takeover")
        old.process.send_signal(signal.SIGTERM)
        self.assertEqual(old.wait_exit(2), 0)
        new.stop()

    def test_a_socket_that_a_killed_broker_left(self):
        old = self.start()
        old.kill()
        self.assertTrue(os.path.exists(self.path))
        new = self.start()
        self.serves(new)
        new.stop()

    def test_a_file_that_is_no_socket(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("precious")
        self.assertIn("is no socket", self.refused())
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")

    def test_a_path_that_cannot_be(self):
        self.path = os.path.join(self.directory, "nothing", "here")
        self.assertIn("No such file or directory", self.refused())
        self.path = os.path.join(self.directory, "x" * 120)
        self.assertIn("octets", self.refused())

    def test_a_stranger_that_says_something_else(self):
        old = self.start()
        for words in (b"", b"GET / HTTP/1.1", b"stampede-takeover 99", b"x" * 2000):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
                stranger.settimeout(seconds(5))
                stranger.connect(self.path)
                if words:
                    stranger.send(words)
                    self.assertTrue(stranger.recv(512).startswith(b"refused "), words)
        self.serves(old)
        old.stop()

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_another_user(self):
        old = self.start()
        for path in (self.directory, self.path):
            os.chmod(path, 0o777)  # so that only who asks is in the way
        nobody = ["setpriv", "--reuid", "65534", "--clear-groups", "--"]
        program = ("import socket, sys\n"
                   "asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                   "asking.settimeout(10)\n"
                   "asking.connect(sys.argv[1])\n"
                   "asking.send(b'stampede-takeover 1')\n"
                   "print(asking.recv(512).decode())\n")
        answer = subprocess.run([*nobody, sys.executable, "-c", program, self.path], capture_output=True, text=True,
                                timeout=seconds(20), check=False)
        self.assertIn("refused the broker there is another user's (uid 0)", answer.stdout + answer.stderr)
        wait_until(lambda: "takeover refused: asked by uid 65534" in old.stderr(), "the word about it")
        binary = os.path.join(self.directory, "stampede")
        shutil.copy(BINARY, binary)
        result = subprocess.run([*nobody, binary, "--takeover", self.path, "--listen", "ws://127.0.0.1:0", "--admin", "off"],
                                capture_output=True, text=True, timeout=seconds(20), check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("another user's (uid 0)", result.stderr)
        self.serves(old)
        old.stop()


class Activated:
    """A broker that got its listening sockets from a service manager, and tells it how it is."""

    def __init__(self, sockets, *flags, pid=None, shards=SHARDS):
        self.directory = tempfile.mkdtemp(prefix="stampede-activated-")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(os.path.join(self.directory, "notify"))
        self.manager.settimeout(seconds(15))
        self.stderr_path = os.path.join(self.directory, "stderr")
        self.ports_file = os.path.join(self.directory, "ports.json")
        passed = ",".join(f"{name}={sock.fileno()}" for name, sock in sockets)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STAMPEDE_")}
        environment["NOTIFY_SOCKET"] = os.path.join(self.directory, "notify")
        if pid is not None:
            environment["ACTIVATE_PID"] = str(pid)
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, os.path.join(HERE, "activate.py"), passed, BINARY, "--ports-file", self.ports_file,
                 "--shards", str(shards), *flags],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, env=environment,
                pass_fds=[sock.fileno() for _, sock in sockets])

    def stderr(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def told(self):
        return self.manager.recv(4096).decode().split("\n")

    def ready(self):
        told = self.told()
        assert told[:2] == ["READY=1", f"MAINPID={self.process.pid}"], (told, self.stderr())
        with open(self.ports_file, encoding="utf-8") as file:
            self.ports = json.load(file)
        by_transport = {entry["transport"]: entry["port"] for entry in self.ports["listeners"]}
        self.ws, self.tcp = by_transport.get("ws"), by_transport.get("stomp")
        return self

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        told = self.told()
        assert told[0] == "STOPPING=1", told
        code = self.process.wait(seconds(30))
        assert code == 0, self.stderr()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.manager.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Activation(unittest.TestCase):
    def listening(self, kind=socket.SOCK_STREAM):
        sock = socket.socket(socket.AF_INET, kind)
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            sock.listen(4096)
            sock.setblocking(False)  # as systemd's are
        return sock

    def start(self, sockets, *flags, **options):
        broker = Activated(sockets, *flags, **options)
        self.addCleanup(broker.kill)
        return broker

    def serves(self, broker):
        for kind in (TcpClient, WsClient):
            with kind(broker) as client:
                client.connect()
                client.fence()

    def test_sockets_with_names_need_no_listen(self):
        ws, stomp, admin = self.listening(), self.listening(), self.listening()
        broker = self.start([("stomp", stomp), ("ws", ws), ("admin", admin)],
                            "--admin", f"127.0.0.1:{admin.getsockname()[1]}").ready()
        self.assertEqual(sorted((entry["transport"], entry["port"]) for entry in broker.ports["listeners"]),
                         [("stomp", stomp.getsockname()[1]), ("ws", ws.getsockname()[1])])
        self.assertEqual(broker.ports["admin"]["port"], admin.getsockname()[1])
        self.serves(broker)
        self.assertEqual(varz(broker)["process"]["pid"], broker.process.pid)
        broker.end()

    def test_sockets_are_found_by_their_address(self):
        ws, stomp = self.listening(), self.listening()
        broker = self.start([("stampede.socket", ws), ("stampede.socket", stomp)], "--admin", "off",
                            "--listen", f"ws://127.0.0.1:{ws.getsockname()[1]}/ws",
                            "--listen", f"stomp://127.0.0.1:{stomp.getsockname()[1]}").ready()
        with TcpClient(broker) as client:
            client.connect()
            client.fence()
        broker.end()

    def test_what_is_not_passed_is_bound(self):
        ws = self.listening()
        broker = self.start([("ws", ws)], "--admin", "off", "--listen", "stomp://127.0.0.1:0").ready()
        self.serves(broker)
        broker.end()

    def test_a_socket_that_nobody_serves(self):
        sock = self.listening()
        broker = self.start([("other.socket", sock)], "--admin", "off", "--listen", "ws://127.0.0.1:0")
        self.assertEqual(broker.process.wait(seconds(10)), 1)
        self.assertIn(f"127.0.0.1:{sock.getsockname()[1]} named 'other.socket'", broker.stderr())
        self.assertIn("FileDescriptorName=", broker.stderr())

    def test_a_descriptor_that_is_no_listening_socket(self):
        broker = self.start([("ws", self.listening(socket.SOCK_DGRAM))], "--admin", "off")
        self.assertEqual(broker.process.wait(seconds(10)), 1)
        self.assertIn("LISTEN_FDS: descriptor 3 (ws)", broker.stderr())

    def test_descriptors_of_another_process_mean_nothing(self):
        sock = self.listening()
        broker = self.start([("ws", sock)], "--admin", "off", "--listen", "ws://127.0.0.1:0",
                            "--listen", "stomp://127.0.0.1:0", pid=1).ready()
        self.assertNotEqual(broker.ws, sock.getsockname()[1])
        broker.end()

    def test_a_restart_refuses_nobody(self):
        """The service manager keeps the sockets; who connects between two brokers waits."""
        ws, stomp = self.listening(), self.listening()
        sockets = [("ws", ws), ("stomp", stomp)]
        broker = self.start(sockets, "--admin", "off").ready()
        with ConnectStream(broker.ws, broker.tcp, rate=500) as stream:
            for shards in (1, 4):
                before = stream.connected
                wait_until(lambda: stream.connected > before + 200, "some clients", 20)
                broker.end()
                broker = self.start(sockets, "--admin", "off", shards=shards).ready()
            before = stream.connected
            wait_until(lambda: stream.connected > before + 200, "some clients", 20)
        self.assertEqual(stream.failures, [], f"{len(stream.failures)} of {stream.connected + len(stream.failures)}")
        broker.end()


if __name__ == "__main__":
    unittest.main()
