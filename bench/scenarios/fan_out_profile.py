#!/usr/bin/env python3
"""Where the broker's CPU time goes in a saturated fan-out: 1,000 WebSocket subscribers of one topic, 100-byte bodies, one
publisher that keeps a window of messages not yet fully delivered, so that it sends as fast as the broker takes.

    bench/scenarios/fan_out_profile.py build/release/stampede [subscribers] [seconds]

The broker runs on CPU 0 with one shard, this script on CPU 1. Every subscriber's octets are counted, and at the end each must
have got every message. Shares are of the broker's own user and system time as the kernel accounts it; on loopback the
receiving half of TCP is charged to the sender's system time.
"""

import os
import select
import socket
import sys
import time

from broker_process import BrokerProcess, client_frame, handshake, read_until

# One octet that is nowhere else in what the broker sends, lengths of WebSocket frames included, so that frames can be counted wherever a read ends.
BODY = b"x" * 99 + b"@"
WINDOW = 256
BURST = 32


def subscribe_all(port, count):
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(handshake() + client_frame(b"CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n\0") +
                           client_frame(b"SUBSCRIBE\nid:sub-0\ndestination:/topic/prices\nreceipt:r\n\n\0"))
        read_until(connection, b"receipt-id:r\n\n\0")
        connection.setblocking(False)
        connections.append(connection)
    return connections


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 5.0
    cpus = sorted(os.sched_getaffinity(0))
    broker = BrokerProcess(binary, ["--shards", "1"], cpu=cpus[0])
    os.sched_setaffinity(0, {cpus[-1]})
    try:
        subscribers = subscribe_all(broker.ws_port, count)
        publisher = socket.create_connection(("127.0.0.1", broker.tcp_port))
        publisher.sendall(b"CONNECT\naccept-version:1.2\n\n\0")
        read_until(publisher, b"\n\n\0")
        poller = select.epoll()
        index_of = {}
        for index, connection in enumerate(subscribers):
            index_of[connection.fileno()] = index
            poller.register(connection.fileno(), select.EPOLLIN)
        ends = [0] * count
        buffer = bytearray(1 << 18)
        send = b"SEND\ndestination:/topic/prices\ncontent-type:text/plain\n\n" + BODY + b"\0"
        sent = delivered = octets = 0

        def pump(timeout):
            nonlocal delivered, octets
            for descriptor, _ in poller.poll(timeout):
                index = index_of[descriptor]
                got = subscribers[index].recv_into(buffer)
                if got == 0:
                    raise SystemExit("the broker closed a subscriber")
                frames = buffer.count(b"@", 0, got)
                ends[index] += frames
                delivered += frames
                octets += got

        warm_up_until = time.monotonic() + 1.0
        measured_from = None
        end = warm_up_until + seconds
        while (now := time.monotonic()) < end:
            if measured_from is None and now >= warm_up_until:
                measured_from = (now, delivered, broker.cpu_seconds(), octets)
            while sent - delivered // count < WINDOW - BURST:
                publisher.sendall(send * BURST)
                sent += BURST
            pump(0.05)
        elapsed = time.monotonic() - measured_from[0]
        user, system = (b - a for a, b in zip(measured_from[2], broker.cpu_seconds()))
        in_window = delivered - measured_from[1]
        octets_in_window = octets - measured_from[3]
        deadline = time.monotonic() + 10
        while delivered < sent * count and time.monotonic() < deadline:
            pump(0.05)
        if any(number != sent for number in ends):
            raise SystemExit(f"lost or doubled: {sent} sent, {min(ends)}..{max(ends)} received")
        print(f"subscribers={count} messages={sent} deliveries_per_second={in_window / elapsed:.0f} "
              f"megabytes_per_second={octets_in_window / elapsed / 1e6:.0f} "
              f"cpu_ns_per_delivery={(user + system) * 1e9 / in_window:.0f} "
              f"user_ns_per_delivery={user * 1e9 / in_window:.1f} "
              f"user_share={user / (user + system):.1%} broker_cpu={(user + system) / elapsed:.0%}")
    finally:
        broker.stop()


if __name__ == "__main__":
    main()
