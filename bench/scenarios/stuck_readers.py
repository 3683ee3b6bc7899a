#!/usr/bin/env python3
"""Do readers that never read harm those that do? One topic, 1,000 readers, a publisher with 50 MB/s of fan-out. 900 of the readers
read; in turns the others never do, and are not there.

    bench/scenarios/stuck_readers.py build/release [--seconds 60] [--rounds 3]
    bench/scenarios/stuck_readers.py build/release --policy conflate

For each run: what the checking readers lost, their p99, and the broker's resident memory. By default the stuck ones must be gone
within a second after they passed their bound, which is --bytes of lag, or --after seconds without taking anything. Both are as the
broker sees it, by its /connz and its log: before that the kernel's buffers fill. Where the policy drops, they must all stay, the
broker may hold no more for them than --bytes, and at the end one of them wakes up: it must get the newest message, and what it got and
what it was told that it missed (`dropped`) must be all. With less than a minute choose less --bytes, or the bound is not reached. Exit code 1 if any of this is not so.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import broker_log
from broker_process import BrokerProcess
from stuck_guests import Awakened, StuckReaders

READERS = 1000
BODY_BYTES = 1000
FAN_OUT_BYTES = 50_000_000
LOOK_SECONDS = 0.25
GRACE_SECONDS = 1
CHUNK_BYTES = 65536


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="folder of the programs")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stuck", type=int, default=100)
    parser.add_argument("--policy", choices=["disconnect", "conflate", "drop-old"], default="disconnect", help="--slow-consumer")
    parser.add_argument("--bytes", type=int, default=1024, help="--slow-consumer-bytes, in KiB (default 1024)")
    parser.add_argument("--after", type=int, default=10, help="--slow-consumer-after, in seconds (default 10)")
    options = parser.parse_args()
    options.bytes *= 1024
    return options


def start_broker(options, log):
    # A peer that acknowledges nothing would be gone after half a minute, and a window that stays closed counts as that.
    flags = ["--shards", "1", "--slow-consumer", options.policy, "--slow-consumer-bytes", str(options.bytes),
             "--slow-consumer-after", f"{options.after}s", "--tcp-user-timeout", f"{options.seconds + 60}s"]
    return BrokerProcess(os.path.join(options.build, "stampede"), flags, cpu=0, admin="127.0.0.1:0", log=log)


def start_load(options, broker, readers, report):
    return subprocess.Popen(
        ["taskset", "-c", "1", os.path.join(options.build, "stampede-bench"), "fanout", "--url", f"ws://127.0.0.1:{broker.ws_port}/ws",
         "--subscribers", str(readers), "--rate", str(FAN_OUT_BYTES // BODY_BYTES // READERS), "--body-size", str(BODY_BYTES),
         "--duration", f"{options.seconds}s", "--json", report], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_load(options, broker, guests, readers):
    """What stampede-bench reports."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        load = start_load(options, broker, readers, report)
        while load.poll() is None:
            time.sleep(LOOK_SECONDS)
            guests.look(broker, options.bytes)
        with open(report) as file:
            return json.load(file)


def check_ended(options, guests, log, failures):
    log.seek(0)
    closes = [close for close in broker_log.closes(log.read().splitlines()) if close.peer in guests.watched]
    past = guests.seconds_past_bound(closes, options.after)
    reasons = sorted({close.reason for close in closes})
    most = max([lag.most for lag in guests.watched.values()] + [close.pending_bytes for close in closes])
    print(f"  stuck readers ended: {len(closes)} ({', '.join(reasons)}), at most {max(past, default=0):.2f} s after they passed their bound; "
          f"largest lag {most / 1024:.0f} KiB", flush=True)
    if len(closes) < len(guests.clients):
        failures.append(f"{len(guests.clients) - len(closes)} stuck readers were not ended: is --seconds long enough?")
    if max(past, default=0) > GRACE_SECONDS:
        failures.append(f"a stuck reader was there for {max(past):.2f} s too long")


def check_stayed(options, broker, guests, failures):
    figures = broker.figures()
    published, held = int(figures["stampede_messages_received_total"]), figures['stampede_memory_bytes{kind="fan_out_log"}']
    awake = Awakened(guests.clients[0], published)
    print(f"  stuck readers that stayed: {figures['stampede_connections']:.0f}, for whom the broker holds {held / 1024:.0f} KiB; one wakes up: "
          f"{awake.before_gap} from before, then a gap; {awake.received} received + {awake.dropped} dropped = {awake.received + awake.dropped} "
          f"of {published} published, the last is number {awake.newest} and {'says' if awake.newest_says_dropped else 'does not say'} dropped",
          flush=True)
    if figures["stampede_connections"] < len(guests.clients):
        failures.append("a stuck reader was ended")
    if held > options.bytes + 2 * CHUNK_BYTES:
        failures.append(f"{held:.0f} bytes are held for stuck readers")
    if not awake.dropped:
        failures.append("the one that woke up missed nothing: is --seconds long enough?")
    if awake.received + awake.dropped != published or awake.newest != published - 1 or not awake.is_exact:
        failures.append("the one that woke up did not get what it should")
    if options.policy == "conflate" and not awake.newest_says_dropped:
        failures.append("the newest message does not say how many were dropped")


def run(options, stuck, failures):
    with tempfile.TemporaryFile("w+") as log:
        broker = start_broker(options, log)
        guests = StuckReaders(broker.tcp_port, "/topic/bench.0", stuck)
        try:
            result = run_load(options, broker, guests, READERS - options.stuck)
            errors = {name: count for name, count in result["errors"].items() if count}
            print(f"stuck={stuck} delivered={result['delivered']} errors={errors or 'none'} p50={result['latency_us']['p50'] / 1000:.2f} ms "
                  f"p99={result['latency_us']['p99'] / 1000:.2f} ms rss_max={broker.rss_peak_bytes() / 2**20:.1f} MiB", flush=True)
            if errors:
                failures.append(f"readers lost something: {errors}")
            if stuck and options.policy == "disconnect":
                check_ended(options, guests, log, failures)
            elif stuck:
                check_stayed(options, broker, guests, failures)
        finally:
            guests.leave()
            broker.stop()
    return result["latency_us"]["p99"]


def main():
    options = arguments()
    os.sched_setaffinity(0, {1})
    failures, ratios = [], []
    for number in range(options.rounds):
        order = [0, options.stuck] if number % 2 == 0 else [options.stuck, 0]
        p99 = {stuck: run(options, stuck, failures) for stuck in order}
        ratios.append(p99[options.stuck] / p99[0])
    print(f"p99 with stuck readers / without: median {sorted(ratios)[len(ratios) // 2]:.3f}, all {[round(r, 3) for r in ratios]}")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
