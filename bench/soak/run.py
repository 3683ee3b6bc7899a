#!/usr/bin/env python3
"""A mixed load for as long as one likes, and what it leaves behind: slopes of memory, descriptors and latency, and losses.

    bench/soak/run.py --duration 15m
    bench/soak/run.py --duration 8h --subscribers 2000 --csv soak.csv

Runs a broker of its own with: subscribers of several topics that check every message, while others come, stay and go;
a queue whose consumers acknowledge each message; a topic with large bodies, some of whose readers never read; and storms of
connections that end with a reset.
Exit code 1 if a message was lost, doubled, out of order or altered, if the broker ended, or if what it holds does not come back:
descriptors, connections and memory are looked at again when all clients are gone.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import guests
import trend

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench", "scenarios"))

from broker_process import BrokerProcess  # noqa: E402
from duration import duration  # noqa: E402

TOPICS = 10
WARM_UP_SHARE = 1 / 3  # of the run, before slopes are taken
SLOW_AFTER_SECONDS = 5  # what the broker bears of a reader that takes nothing
RETURN_SECONDS = 20  # for the broker to let go of what clients left


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=duration, default=duration("15m"), help="of the load (default 15m)")
    parser.add_argument("--subscribers", type=int, default=200, help="that check every message (default 200)")
    parser.add_argument("--rate", type=int, default=200, help="messages a second to topics (default 200)")
    parser.add_argument("--churn-rate", type=int, default=20, help="subscribers a second that come and go (default 20)")
    parser.add_argument("--queue-rate", type=int, default=500, help="messages a second through a queue (default 500)")
    parser.add_argument("--stuck", type=int, default=5, help="readers that never read (default 5)")
    parser.add_argument("--storm", type=int, default=200, help="connections that come at once (default 200)")
    parser.add_argument("--storm-every", type=float, default=10, help="seconds between storms (default 10)")
    parser.add_argument("--rss-slope", type=float, default=1024, help="KiB a minute that fail the run (default 1024)")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"), help="folder of the programs")
    parser.add_argument("--stampede-flags", default="", help="more flags for the broker, in one argument")
    parser.add_argument("--csv", help="file for the samples, one a second")
    return parser.parse_args()


class Broker(BrokerProcess):
    def __init__(self, options, folder):
        self.log = open(os.path.join(folder, "broker.log"), "w+")
        super().__init__(os.path.join(options.build, "stampede"),
                         ["--slow-consumer-after", f"{SLOW_AFTER_SECONDS}s", *options.stampede_flags.split()],
                         admin="127.0.0.1:0", log=self.log)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def tail(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()[-2000:]

    def drain(self):
        """Ends it as operators do; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def start_load(options, broker, folder, name, *flags):
    report = os.path.join(folder, name + ".json")
    command = [os.path.join(options.build, "stampede-bench"), *flags, "--url", f"ws://127.0.0.1:{broker.ws_port}/ws", "--warm-up", "1s",
               "--duration", f"{options.duration}s", "--drain-time", "30s", "--server-pid", str(broker.pid), "--json", report]
    return name, report, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def start_loads(options, broker, folder):
    return [
        start_load(options, broker, folder, "topics", "churn", "--subscribers", str(options.subscribers), "--publishers", "4",
                   "--destinations", str(TOPICS), "--rate", str(options.rate), "--churn-rate", str(options.churn_rate),
                   "--churn-stay", "2s", "--destination", "/topic/soak"),
        start_load(options, broker, folder, "heavy", "fanout", "--subscribers", "20", "--rate", "20", "--body-size", "16384",
                   "--destination", "/topic/heavy"),
        start_load(options, broker, folder, "queue", "queue", "--subscribers", "4", "--rate", str(options.queue_rate),
                   "--ack", "client-individual", "--prefetch", "100", "--destination", "/queue/soak"),
    ]


def watch(options, broker, loads, visitors):
    samples, began = [], time.monotonic()
    while any(load.poll() is None for _, _, load in loads):
        visitors.turn(1)
        if broker.process.poll() is not None:
            raise RuntimeError("the broker ended: " + broker.tail())
        samples.append((time.monotonic() - began, broker.rss_bytes() // 1024, broker.descriptors()))
    return samples


def wait_for_return(broker, descriptors_before):
    """The descriptors that are left, once they are as few as before or the time is over."""
    until = time.monotonic() + RETURN_SECONDS
    while broker.descriptors() > descriptors_before and time.monotonic() < until:
        time.sleep(0.2)
    return broker.descriptors()


def report_load(name, report, load, failures):
    said = load.stderr.read().strip().splitlines()
    if load.returncode not in (0, 2):
        failures.append(f"{name}: stampede-bench ended with {load.returncode}: {' | '.join(said[-3:])}")
        return
    with open(report) as file:
        result = json.load(file)
    errors = {what: count for what, count in result["errors"].items() if count}
    if errors:
        failures.append(f"{name}: {errors}, first: {result['first_error']}")
    p99 = [(sample["at_s"] / 60, sample["latency_p99_ns"] / 1e6) for sample in result["series"] if sample["delivered"]]
    late = p99[int(len(p99) * WARM_UP_SHARE):]
    print(f"{name}: {result['published']:,} published, {result['delivered']:,} delivered, errors {errors or 'none'}; "
          f"p99 median {trend.median([y for _, y in late]):.2f} ms, slope {trend.slope(late):+.3f} ms a minute")


def report_samples(options, samples, failures):
    late = samples[int(len(samples) * WARM_UP_SHARE):]
    rss = trend.slope([(at / 60, kib) for at, kib, _ in late])
    descriptors = trend.slope([(at / 60, count) for at, _, count in late])
    print(f"RSS: median {trend.median([kib for _, kib, _ in late]) / 1024:.1f} MiB, largest "
          f"{max(kib for _, kib, _ in samples) / 1024:.1f} MiB, slope {rss:+.0f} KiB a minute")
    print(f"descriptors: median {trend.median([count for _, _, count in late]):.0f}, slope {descriptors:+.1f} a minute")
    if rss > options.rss_slope:
        failures.append(f"RSS grows by {rss:.0f} KiB a minute")
    if options.csv:
        with open(options.csv, "w") as file:
            file.write("at_s,rss_kib,descriptors\n")
            file.writelines(f"{at:.1f},{kib},{count}\n" for at, kib, count in samples)


def soak(options, folder):
    failures = []
    broker = Broker(options, folder)
    try:
        descriptors_before = broker.descriptors()
        loads = start_loads(options, broker, folder)
        visitors = guests.Guests(("127.0.0.1", broker.tcp_port), stuck=options.stuck, stuck_on="/topic/heavy.0", storm=options.storm,
                                 storm_on="/topic/soak.0", storm_every=options.storm_every)
        try:
            samples = watch(options, broker, loads, visitors)
        finally:
            for _, _, load in loads:
                if load.poll() is None:
                    load.kill()
        visitors.leave()
        for name, report, load in loads:
            report_load(name, report, load, failures)
        report_samples(options, samples, failures)
        left = wait_for_return(broker, descriptors_before)
        figures = broker.figures()
        open_now = sum(value for name, value in figures.items() if name.startswith("stampede_connections{"))
        slow = sum(value for name, value in figures.items() if name.startswith("stampede_slow_consumers_total"))
        print(f"guests: {visitors.came:,} came, {visitors.refused} refused; readers ended as slow: {slow:.0f}; "
              f"left when all had gone: {open_now:.0f} connections, {left - descriptors_before:+d} descriptors")
        if left > descriptors_before or open_now:
            failures.append("connections or descriptors did not come back")
        if options.stuck and options.duration >= 2 * SLOW_AFTER_SECONDS + 5 and not slow:
            failures.append("no stuck reader was ended")
    finally:
        code = broker.drain()
    if code != 0:
        failures.append(f"the broker ended with {code}: {broker.tail()}")
    return failures


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        failures = soak(options, folder)
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
