#!/usr/bin/env python3
"""Resident memory of idle subscribed WebSocket connections: N stompjs-like clients on one shard, all subscribed to one
topic as `sub-0`, against the same broker before the first of them came.

    bench/scenarios/idle_memory.py build/release/stampede [connections]
"""

import socket
import sys

from broker_process import BrokerProcess, client_frame, handshake, raise_descriptor_limit, read_until


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    raise_descriptor_limit(count + 64)

    broker = BrokerProcess(binary, ["--shards", "1", "--heart-beat", "0,0"])
    try:
        connections = []
        before = broker.rss_bytes()
        connect = client_frame(b"CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n\0")
        subscribe = client_frame(b"SUBSCRIBE\nid:sub-0\ndestination:/topic/prices\nreceipt:r\n\n\0")
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", broker.ws_port))
            connection.sendall(handshake() + connect + subscribe)
            read_until(connection, b"receipt-id:r\n\n\0")
            connections.append(connection)
        after = broker.rss_bytes()
        print(f"connections={count} rss_before={before} rss_after={after} "
              f"rss_per_connection={(after - before) / count:.0f}")
    finally:
        broker.stop()


if __name__ == "__main__":
    main()
