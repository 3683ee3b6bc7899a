#!/usr/bin/env python3
"""What does it cost to be watched? CPU of a delivery under full fan-out (one topic, 1,000 WebSocket readers, 100-byte bodies) while
somebody gets /metrics once a second, against nobody doing so.

    bench/scenarios/scrape_cost.py build/release [--rounds 20] [--seconds 5]

One broker, one load, and windows by turns without and with scrapes, so that both see the same machine: each window with scrapes is held
against the two beside it, and the median of these ratios counts. At each border between windows there is one scrape more, which says how
many deliveries there were; both kinds have as many of these. Broker on CPU 0 with one shard, load on CPU 1. Exit code 1 if the median
ratio is 1.01 or more.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from broker_process import BrokerProcess

READERS = 1000
RATIO_MAX = 1.01
WARM_UP_SECONDS = 2
BORDER_SECONDS_MAX = 0.1  # what reading the figures takes
DELIVERED = "stampede_messages_delivered_total"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="folder of the programs")
    parser.add_argument("--rounds", type=int, default=20, help="windows with scrapes (default 20)")
    parser.add_argument("--seconds", type=float, default=5, help="length of a window (default 5)")
    return parser.parse_args()


def start_load(options, broker, seconds, report):
    return subprocess.Popen(
        [os.path.join(options.build, "stampede-bench"), "fanout", "--url", f"ws://127.0.0.1:{broker.ws_port}/ws", "--subscribers", str(READERS),
         "--warm-up", f"{WARM_UP_SECONDS}s", "--duration", f"{seconds:.0f}s", "--json", report],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def point(broker):
    """(deliveries, CPU ns) so far."""
    return broker.figures()[DELIVERED], broker.cpu_ns()


def pass_window(broker, seconds, is_scraped):
    began = time.monotonic()
    scrapes = 0
    while (left := began + seconds - time.monotonic()) > 0:
        if is_scraped and scrapes <= time.monotonic() - began:
            broker.page("/metrics")
            scrapes += 1
        time.sleep(min(left, 0.1))


def measure(options, broker, load):
    """CPU ns of a delivery in each window; those with odd numbers were scraped."""
    while broker.figures()[DELIVERED] == 0:
        if load.poll() is not None:
            raise SystemExit("the load ended before it began")
        time.sleep(0.1)
    time.sleep(WARM_UP_SECONDS)
    points = [point(broker)]
    for number in range(2 * options.rounds + 1):
        pass_window(broker, options.seconds, is_scraped=number % 2 == 1)
        points.append(point(broker))
    return [(cpu_to - cpu) / (delivered_to - delivered) for (delivered, cpu), (delivered_to, cpu_to) in zip(points, points[1:])]


def report_costs(costs):
    ratios = [2 * costs[number] / (costs[number - 1] + costs[number + 1]) for number in range(1, len(costs), 2)]
    low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    print(f"CPU ns a delivery, medians: {statistics.median(costs[::2]):.2f} not scraped, {statistics.median(costs[1::2]):.2f} scraped once a second")
    print(f"scraped / not scraped: median {median:.4f}, quartiles {low:.4f} to {high:.4f}, all {min(ratios):.4f} to {max(ratios):.4f} "
          f"({len(ratios)} windows)")
    return median


def main():
    options = arguments()
    os.sched_setaffinity(0, {1})
    broker = BrokerProcess(os.path.join(options.build, "stampede"), ["--shards", "1"], cpu=0, admin="127.0.0.1:0")
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = os.path.join(folder, "report.json")
            load = start_load(options, broker, (2 * options.rounds + 1) * (options.seconds + BORDER_SECONDS_MAX) + 1, report)
            try:
                costs = measure(options, broker, load)
                load.wait()
            finally:
                load.kill()
                load.wait()
            with open(report) as file:
                errors = {name: count for name, count in json.load(file)["errors"].items() if count}
    finally:
        broker.stop()
    median = report_costs(costs)
    if errors:
        print("FAILED:", errors)
    if median >= RATIO_MAX:
        print(f"FAILED: being watched costs {median - 1:.1%}")
    return 1 if errors or median >= RATIO_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
