"""The servers of a comparison: how each is started, on which ports, and how it is ended.

Every server runs as the current user with a directory of its own, on free loopback ports, pinned to one CPU. Settings are
those that a comparison must state; what is not set here is the distribution's default.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time

import machine

START_SECONDS_MAX = 90
STOP_SECONDS_MAX = 20


class Running:
    """A started server; `pid` is the process that does the work."""

    def __init__(self, server, url, process, companions, directory):
        self.server = server
        self.url = url
        self.pid = process.pid
        self._processes = [process, *companions]
        self._directory = directory

    def has_ended(self):
        return self._processes[0].poll() is not None

    def log_tail(self):
        with open(os.path.join(self._directory, "log"), errors="replace") as file:
            return file.read()[-2000:]

    def stop(self):
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._directory)


class Server:
    """One way of serving the load. `scheme` and `path` make the URL that stampede-bench is given."""

    name = ""
    scheme = "ws"
    path = ""
    debian_package = ""
    npm_package = ""
    has_queues = False  # as stampede-bench queue wants them: STOMP with acknowledgements

    def command(self, port, directory, build):
        raise NotImplementedError

    def companions(self, directory):
        """Processes that it needs beside it: command lines, started first and ended last."""
        return []

    def prepare(self, port, directory):
        """Writes its configuration."""

    def start(self, cpu, build, flags=()):
        directory = tempfile.mkdtemp(prefix=f"stampede-compare-{self.name}-")
        (port,) = machine.free_ports(1)
        self.prepare(port, directory)
        environment = {**os.environ, "HOME": directory, **self.environment_of(port, directory)}
        processes = []
        with open(os.path.join(directory, "log"), "wb") as log:
            for command in [*self.companions(directory), [*self.command(port, directory, build), *flags]]:
                processes.append(subprocess.Popen(["taskset", "-c", str(cpu), *command], cwd=directory, env=environment,
                                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        running = Running(self, f"{self.scheme}://127.0.0.1:{port}{self.path}", processes[-1], processes[:-1], directory)
        try:
            self.wait_until_it_answers(running, port)
        except BaseException:
            running.stop()
            raise
        return running

    def environment_of(self, port, directory):
        return {}

    def wait_until_it_answers(self, running, port):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if running.has_ended():
                raise RuntimeError(f"{self.name} has ended at once: {running.log_tail()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer on port {port}: {running.log_tail()}")


class Stampede(Server):
    name = "stampede"
    path = "/ws"
    has_queues = True

    def command(self, port, directory, build):
        return [os.path.join(build, "stampede"), "--shards", "1", "--log-level", "warn",
                "--listen", f"ws://127.0.0.1:{port}", "--admin", "off", "--ports-file", os.path.join(directory, "ports.json")]


class Floor(Server):
    scheme = "floor"

    def __init__(self, kernel_interface):
        self.name = f"floor-{kernel_interface}"
        self.program = f"stampede_floor_{kernel_interface}"

    def command(self, port, directory, build):
        return [os.path.join(build, self.program), "--listen", f"127.0.0.1:{port}"]


class Nats(Server):
    debian_package = "nats-server"

    def __init__(self, transport):
        self.name = f"nats-{transport}"
        self.is_websocket = transport == "ws"
        self.scheme = "nats+ws" if self.is_websocket else "nats"

    def prepare(self, port, directory):
        (other,) = machine.free_ports(1)
        lines = [f"listen: 127.0.0.1:{other if self.is_websocket else port}"]
        if self.is_websocket:
            lines.append(f"websocket {{ listen: 127.0.0.1:{port}, no_tls: true, compression: false }}")
        write(directory, "nats.conf", lines)

    def command(self, port, directory, build):
        return ["nats-server", "-c", os.path.join(directory, "nats.conf")]


class Mosquitto(Server):
    debian_package = "mosquitto"

    def __init__(self, transport):
        self.name = f"mosquitto-{transport}"
        self.is_websocket = transport == "ws"
        self.scheme = "mqtt+ws" if self.is_websocket else "mqtt"

    def prepare(self, port, directory):
        listener = [f"listener {port} 127.0.0.1", "protocol mqtt"]
        if self.is_websocket:
            (other,) = machine.free_ports(1)
            # 2.0.11 does not start without a plain listener, and binds every address unless it is told IPv4.
            listener = [f"listener {other} 127.0.0.1", "protocol mqtt", f"listener {port} 127.0.0.1",
                        "protocol websockets", "socket_domain ipv4"]
        write(directory, "mosquitto.conf", [
            *listener, "allow_anonymous true", "set_tcp_nodelay true", "max_queued_messages 10000",
            "persistence false", "log_dest stderr", "log_type error", *(["user root"] if os.getuid() == 0 else [])])

    def command(self, port, directory, build):
        return ["mosquitto", "-c", os.path.join(directory, "mosquitto.conf")]


class RabbitMq(Server):
    """web-stomp or stomp, no management plugin; one scheduler by its pinning to one CPU."""

    debian_package = "rabbitmq-server"
    has_queues = True

    def __init__(self, transport):
        self.name = f"rabbitmq-{transport}"
        self.is_websocket = transport == "ws"
        self.scheme, self.path = ("ws", "/ws") if self.is_websocket else ("stomp", "")

    def prepare(self, port, directory):
        amqp, self.distribution, self.epmd, stomp = machine.free_ports(4)
        plugin = "rabbitmq_web_stomp" if self.is_websocket else "rabbitmq_stomp"
        write(directory, "enabled_plugins", [f"[{plugin}]."])
        write(directory, "rabbitmq.conf", [
            f"listeners.tcp.1 = 127.0.0.1:{amqp}",
            f"stomp.listeners.tcp.1 = 127.0.0.1:{stomp if self.is_websocket else port}",
            # As Stampede without an access file: a client may come without a login.
            "stomp.default_user = guest", "stomp.default_pass = guest",
            *([f"web_stomp.tcp.listener = 127.0.0.1:{port}"] if self.is_websocket else [])])

    def companions(self, directory):
        # The node would leave a port mapper of its own behind.
        return [["epmd", "-address", "127.0.0.1", "-port", str(self.epmd)]]

    def command(self, port, directory, build):
        # The script behind the one in PATH, which would change to the user rabbitmq. With input allowed it becomes the
        # Erlang machine instead of waiting for it, so the pid is the right one.
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server", "-noinput"]

    def environment_of(self, port, directory):
        return {"RABBITMQ_ALLOW_INPUT": "1", "RABBITMQ_NODENAME": f"compare{port}@localhost",
                "RABBITMQ_MNESIA_BASE": os.path.join(directory, "mnesia"), "RABBITMQ_LOG_BASE": directory,
                "RABBITMQ_LOGS": "-", "RABBITMQ_CONFIG_FILE": os.path.join(directory, "rabbitmq.conf"),
                "RABBITMQ_CONF_ENV_FILE": os.path.join(directory, "rabbitmq-env.conf"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(directory, "enabled_plugins"),
                "RABBITMQ_DIST_PORT": str(self.distribution), "ERL_EPMD_PORT": str(self.epmd),
                "ERL_EPMD_ADDRESS": "127.0.0.1",
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}"}


class StompBrokerJs(Server):
    name = "stomp-broker-js"
    path = "/stomp"
    npm_package = "stomp-broker-js@1.3.0"

    def command(self, port, directory, build):
        package = os.path.join(npm_folder(build), "node_modules", self.npm_package.rpartition("@")[0])
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stomp_broker.cjs")
        return ["node", script, package, str(port)]


def npm_folder(build):
    """Beside the build folders, which git ignores."""
    return os.path.join(os.path.dirname(os.path.abspath(build)), "compare")


def write(directory, name, lines):
    with open(os.path.join(directory, name), "w") as file:
        file.write("\n".join(lines) + "\n")


ALL = {server.name: server for server in [
    Stampede(), Floor("epoll"), Floor("uring"), Nats("ws"), Nats("tcp"), Mosquitto("ws"), Mosquitto("tcp"),
    RabbitMq("ws"), RabbitMq("tcp"), StompBrokerJs()]}
