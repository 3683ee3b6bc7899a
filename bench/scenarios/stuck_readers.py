#!/usr/bin/env python3
"""Do readers that never read harm those that do? One topic, 1,000 readers, a publisher with 50 MB/s of fan-out; in turns with
all of them reading, and with 100 of them that never do.

    bench/scenarios/stuck_readers.py build/release [--seconds 60] [--rounds 3] [--policy conflate]

For each run: what the checking readers lost, their p99, the broker's resident memory, and when the last stuck reader was gone.
"""

import argparse
import json
import os
import socket
import subprocess
import tempfile
import time

from broker_process import BrokerProcess

READERS = 1000
BODY_BYTES = 1000
FAN_OUT_BYTES = 50_000_000
TCP_ESTABLISHED = 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="folder of the programs")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stuck", type=int, default=100)
    parser.add_argument("--policy", help="of --slow-consumer")
    return parser.parse_args()


def come_and_never_read(port):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(b"CONNECT\naccept-version:1.2\nhost:/\n\n\0SUBSCRIBE\nid:0\ndestination:/topic/bench.0\n\n\0")
    return client


def is_connected(client):
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED


def run(options, stuck):
    flags = ["--shards", "1", *(["--slow-consumer", options.policy] if options.policy else [])]
    broker = BrokerProcess(os.path.join(options.build, "stampede"), flags, cpu=0)
    guests = [come_and_never_read(broker.tcp_port) for _ in range(stuck)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = os.path.join(folder, "report.json")
            load = subprocess.Popen(
                ["taskset", "-c", "1", os.path.join(options.build, "stampede-bench"), "fanout", "--url", f"ws://127.0.0.1:{broker.ws_port}/ws",
                 "--subscribers", str(READERS - stuck), "--rate", str(FAN_OUT_BYTES // BODY_BYTES // READERS),
                 "--body-size", str(BODY_BYTES), "--duration", f"{options.seconds}s", "--json", report],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            began, gone, rss = time.monotonic(), None, 0
            while load.poll() is None:
                time.sleep(0.1)
                rss = max(rss, broker.rss_bytes())
                if gone is None and not any(map(is_connected, guests)):
                    gone = time.monotonic() - began
            with open(report) as file:
                result = json.load(file)
    finally:
        for guest in guests:
            guest.close()
        broker.stop()
    errors = {name: count for name, count in result["errors"].items() if count}
    when = "-" if not stuck else "stayed" if gone is None else f"after {gone:.1f} s"
    print(f"stuck={stuck} delivered={result['delivered']} errors={errors or 'none'} p50={result['latency_us']['p50'] / 1000:.2f} ms "
          f"p99={result['latency_us']['p99'] / 1000:.2f} ms rss_max={rss / 2**20:.1f} MiB stuck_gone={when}", flush=True)
    return result["latency_us"]["p99"]


def main():
    options = arguments()
    ratios = []
    for number in range(options.rounds):
        order = [0, options.stuck] if number % 2 == 0 else [options.stuck, 0]
        p99 = {stuck: run(options, stuck) for stuck in order}
        ratios.append(p99[options.stuck] / p99[0])
    print(f"p99 with stuck readers / without: median {sorted(ratios)[len(ratios) // 2]:.3f}, all {[round(r, 3) for r in ratios]}")


if __name__ == "__main__":
    main()
