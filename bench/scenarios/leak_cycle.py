#!/usr/bin/env python3
"""Does the broker forget who has gone? Rounds of clients that connect at once, subscribe to ten destinations each (topics, patterns, a
queue), publish, and go with a reset; every other round they say DISCONNECT first. Then each of its tables, pools and kinds of memory must be
what it was.

    bench/scenarios/leak_cycle.py build/release [--rounds 1000] [--connections 1000] [--shards 2]

What it was is taken after WARM_UP_ROUNDS, when pools have grown. Queues and topics that nobody uses are remembered
for a second here, as they pass with time alone. Two figures have no exact start: resident memory, of which allocators keep pages, may be
RSS_SLACK more, and spare chunks of fan-out logs may be SPARE_BYTES_MAX of each shard. Exit code 1 if anything else differs.
"""

import argparse
import json
import os
import select
import socket
import struct
import sys
import time

from broker_process import BrokerProcess, raise_descriptor_limit

WARM_UP_ROUNDS = 20
SPARE_BYTES_MAX = 4 << 20  # as ChunkPool keeps them (core/fan_out_log.h)
RSS_SLACK = 8 << 20
RETURN_SECONDS = 20
BATCH = 100  # connections that are being opened at a time: less than a listen queue holds
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends a reset


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="folder of the programs")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--shards", type=int, default=2)
    return parser.parse_args()


def script_of(number):
    """All that a client says, and how it knows that the broker has done it."""
    topics = [f"/topic/leak.{number % 50 + n}" for n in range(6)]
    destinations = [*topics, "/topic/leak.all", f"/topic/leak.{number % 100}.*", f"/topic/leak.{number}.#", f"/queue/leak.{number % 10}"]
    frames = ["CONNECT\naccept-version:1.2\nhost:/\n\n\0"]
    frames += [f"SUBSCRIBE\nid:{place}\ndestination:{name}\n\n\0" for place, name in enumerate(destinations)]
    frames += [f"SEND\ndestination:{name}\n\n{'x' * 100}\0" for name in (f"/topic/leak.{number % 100}.x", destinations[-1])]
    frames.append(f"SEND\ndestination:/topic/of.nobody.{number}\nreceipt:done\n\n\0")
    return "".join(frames).encode()


def play_round(port, scripts, is_polite):
    poll = select.epoll()
    clients = {}
    for begin in range(0, len(scripts), BATCH):
        batch = {}
        for script in scripts[begin:begin + BATCH]:
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(script)
            batch[client.fileno()] = client, bytearray()
            poll.register(client, select.EPOLLIN)
        clients.update(batch)
        wait_for_receipts(poll, clients, set(batch))
    poll.close()
    for client, _ in clients.values():
        if is_polite:
            client.sendall(b"DISCONNECT\n\n\0")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()


def wait_for_receipts(poll, clients, waiting):
    while waiting:
        events = poll.poll(10)
        if not events:
            raise SystemExit(f"{len(waiting)} clients had no receipt for 10 s")
        for descriptor, _ in events:
            client, octets = clients[descriptor]
            piece = client.recv(65536)
            octets += piece
            if b"receipt-id:done\n\n\0" in octets:
                waiting.discard(descriptor)
                octets.clear()
            elif not piece or b"ERROR\n" in octets:
                raise SystemExit(f"a client was ended: {bytes(octets[-500:])!r}")


def what_is_held(broker):
    page = json.loads(broker.page("/varz"))
    held = {f"tables.{name}": value for name, value in page["tables"].items()}
    held |= {f"net.{name}": page["net"][name] for name in ("connections", "inbound_waiting", "receive_buffers_free", "send_slots_used")}
    held |= {f"memory.{name}": value for name, value in page["memory"].items() if name not in ("limit", "used", "stage", "fan_out_log")}
    held["descriptors"] = page["process"]["open_descriptors"]
    return held


def differences(before, after):
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def wait_until_held(broker, wanted):
    """What is held once it is that, or when the time is over."""
    until = time.monotonic() + RETURN_SECONDS
    while differences(wanted, held := what_is_held(broker)) and time.monotonic() < until:
        time.sleep(0.2)
    return held


def is_idle(held):
    return held["tables.clients"] == held["tables.queues"] == held["tables.destinations"] == 0


def idle_figures(broker):
    until = time.monotonic() + RETURN_SECONDS
    while not is_idle(held := what_is_held(broker)):
        if time.monotonic() > until:
            raise SystemExit(f"what clients left is still there after {RETURN_SECONDS} s: {held}")
        time.sleep(0.2)
    return held


def main():
    options = arguments()
    raise_descriptor_limit(2 * options.connections + 100)
    broker = BrokerProcess(os.path.join(options.build, "stampede"),
                           ["--shards", str(options.shards), "--queue-idle-time", "1s", "--dedup-time", "1s"], admin="127.0.0.1:0")
    try:
        scripts = [script_of(number) for number in range(options.connections)]
        for number in range(WARM_UP_ROUNDS):
            play_round(broker.tcp_port, scripts, is_polite=number % 2 == 1)
        before = idle_figures(broker)
        rss_before = broker.rss_bytes()
        began = time.monotonic()
        for number in range(options.rounds):
            play_round(broker.tcp_port, scripts, is_polite=number % 2 == 1)
            if (number + 1) % max(1, options.rounds // 10) == 0:
                print(f"{number + 1} rounds, {time.monotonic() - began:.0f} s, {broker.rss_bytes() / 2**20:.1f} MiB resident", flush=True)
        changed = differences(before, wait_until_held(broker, before))
        spare = json.loads(broker.page("/varz"))["memory"]["fan_out_log"]
        grown = broker.rss_bytes() - rss_before
    finally:
        broker.stop()
    print(f"{options.rounds} rounds of {options.connections} connections: {len(before)} figures, that differ (before, after): {changed or 'none'}; "
          f"spare chunks {spare / 2**20:.1f} MiB; resident memory {rss_before / 2**20:.1f} MiB before, {grown / 1024:+.0f} KiB")
    return 1 if changed or spare > SPARE_BYTES_MAX * options.shards or grown > RSS_SLACK else 0


if __name__ == "__main__":
    sys.exit(main())
