"""Asks the admin listener of a broker that was started with "--admin", "127.0.0.1:0"."""

import http.client
import json

from broker import seconds


def ask(broker, target):
    """The status and the body of a page."""
    connection = http.client.HTTPConnection("127.0.0.1", broker.ports["admin"]["port"], timeout=seconds(10))
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def metrics(broker):
    """{"stampede_connections": 1.0, 'stampede_connections_closed_total{reason="drain"}': 0.0, ...}"""
    lines = ask(broker, "/metrics")[1].splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def varz(broker):
    return json.loads(ask(broker, "/varz")[1])
