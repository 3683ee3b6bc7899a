#!/usr/bin/env python3
"""Does the broker live within --memory-limit, and go on serving there? 5,000 subscribers of 20 topics, every other of which never
reads and comes back when it was ended, and four publishers that never stop.

    bench/scenarios/memory_limit.py build/release --limit 256M --subscribers 5000 --duration 10m

What each reader may hold is raised to 1 GiB (--slow-consumer-bytes), so that not this bound but the memory of all is what gives:
those who never read hold logs until the broker is at its limit, holds publishers and ends those who are stuck. The kernel's send
buffers are small, as what waits in them is not the broker's.

The readers check all they get. Before the load, and in each second after it, a gentle publisher finds out how long a message takes.
Exit code 1 if resident memory passed the limit by a tenth, if a reader lost anything or was ended, if deliveries nearly stood still
for a tenth of the run, if the load was too little to bring the broker to its limit, or if latency was not back within 10 s.
"""

import argparse
import collections
import os
import sys
import tempfile
import time

import broker_log
from broker_process import BrokerProcess, raise_descriptor_limit
from checked_readers import CheckedReaders
from duration import duration
from gentle_latency import GentleLatency, text_of
from memory_load import FLOOD, Loader, flood, never_read

TOPICS = 20
BEFORE_SECONDS = 5
BACK_SECONDS = 10
BACK_FACTOR = 1.5
TENTHS = 10
HOLDING = ("hold_publishers", "refuse_connections", "shed_clients")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="folder of the programs")
    parser.add_argument("--limit", default="256M", help="--memory-limit, in M (default 256M)")
    parser.add_argument("--subscribers", type=int, default=5000)
    parser.add_argument("--publishers", type=int, default=4)
    parser.add_argument("--duration", type=duration, default=duration("10m"), help="of the load (default 10m)")
    parser.add_argument("--shards", type=int, default=1, help="1 has CPU 0, and the load CPU 1; more share all CPUs with it")
    parser.add_argument("--stampede-flags", default="", help="more flags for the broker, in one argument")
    return parser.parse_args()


class Scenario:
    def __init__(self, options, log):
        self.options, self.log = options, log
        self.failures = []
        is_pinned = options.shards == 1
        flags = ["--shards", str(options.shards), "--memory-limit", options.limit, "--slow-consumer-bytes", "1G",
                 "--send-buffer", "64K", *options.stampede_flags.split()]
        self.broker = BrokerProcess(os.path.join(options.build, "stampede"), flags, cpu=0 if is_pinned else None,
                                    admin="127.0.0.1:0", log=log)
        if is_pinned:
            os.sched_setaffinity(0, {1})

    def run(self):
        port, half = self.broker.tcp_port, self.options.subscribers // 2
        destinations = [f"/topic/memory.{number}" for number in range(TOPICS)]
        self.readers = CheckedReaders(port, destinations, half)
        self.latency = GentleLatency(port, self.readers)
        with Loader(never_read, port, destinations, half) as never_readers:
            while self.broker.figures()['stampede_subscriptions{kind="topic"}'] < 2 * half:
                time.sleep(0.1)
            self.latency.measure(1)  # nothing is cold
            before = self.latency.measure(BEFORE_SECONDS)
            print(f"latency before the load (p50/p99 of each second, ms): {text_of(before)}", flush=True)
            with Loader(flood, port, destinations, self.options.publishers) as publishers:
                self.load()
                publishers.tell()
                self.wait_until_back(before)
                self.check_losses(publishers)
            came = never_readers.stop()
        self.report_ends(came)
        self.report_memory()

    def load(self):
        self.began = time.time()
        step = self.options.duration / TENTHS
        tenths = []
        self.readers.begin_gaps()
        for tenth in range(TENTHS):
            before, until = self.readers.messages, time.monotonic() + step
            while time.monotonic() < until:
                self.readers.turn(0.1)
            tenths.append(self.readers.messages - before)
            print(f"tenth {tenth + 1}: {tenths[-1] / step:,.0f} deliveries/s, {self.broker.rss_bytes() / 2**20:.0f} MiB resident, "
                  f"{len(self.readers.ended())} readers ended", flush=True)
        self.ended = time.time()
        print(f"longest time that a reader got nothing: {self.readers.longest_gap_now():.2f} s")
        if min(tenths) < sorted(tenths)[TENTHS // 2] / 10:
            self.failures.append(f"deliveries nearly stood still: {tenths}")

    def wait_until_back(self, before):
        p50_max, p99_max = (max(second[place] for second in before) * BACK_FACTOR for place in (0, 1))

        def is_back(second):
            return second[0] <= p50_max and second[1] <= p99_max

        after = self.latency.measure(3 * BACK_SECONDS, is_back)
        print(f"latency after the load: {text_of(after)}", flush=True)
        if not is_back(after[-1]) or len(after) > BACK_SECONDS:
            self.failures.append(f"latency was not back within {BACK_SECONDS} s")

    def check_losses(self, publishers):
        while not publishers.has_result():
            self.readers.turn(0.1)
        published = publishers.stop()
        streams = self.readers.streams

        def missing():
            return sum(published[stream.destination] - stream.next_number.get(FLOOD, 0) for stream in streams)

        until = time.monotonic() + 10
        while (missing() or self.readers.behind()) and time.monotonic() < until:
            self.readers.turn(0.1)
        lost = missing() + sum(stream.lost for stream in streams)
        print(f"{sum(published.values()):,} messages published, {self.readers.messages:,} deliveries; lost by all readers of a topic: {lost}; "
              f"readers that lack some: {self.readers.behind()}, that got others: {self.readers.differing}")
        if lost or self.readers.behind() or self.readers.differing:
            self.failures.append("messages were lost or altered")

    def report_ends(self, came):
        closes = broker_log.closes(self.log_lines())
        reason_of = {close.peer: close.reason for close in closes}
        ended = collections.Counter(f"{reason_of.get(reader.peer)} ({reader.ended})" for reader in self.readers.ended())
        print(f"those who never read came {came:,} times; all ends: {dict(collections.Counter(close.reason for close in closes))}; "
              f"readers that were ended: {dict(ended) or 'none'}")
        if ended:
            self.failures.append(f"{sum(ended.values())} readers were ended")

    def report_memory(self):
        steps = broker_log.stages(self.log_lines())
        entered = collections.Counter(name for _, name in steps)
        held, longest, since = 0.0, 0.0, None
        for at, name in [*(step for step in steps if step[0] < self.ended), (self.ended, "calm")]:
            if name in HOLDING:
                since = since or at
            elif since is not None:
                held, longest, since = held + at - since, max(longest, at - since), None
        times = self.broker.figures()["stampede_publishers_held_back_total"]
        print(f"stages entered: {dict(entered)}; publishers waited for memory {held / (self.ended - self.began):.0%} of the time, "
              f"{longest:.2f} s at most; held back, for whatever reason: {times:,.0f} times")
        if not any(entered[name] for name in HOLDING):
            self.failures.append("the load did not bring the broker to its limit")
        peak, limit = self.broker.rss_peak_bytes(), int(self.broker.figures()["stampede_memory_limit_bytes"])
        print(f"largest resident memory: {peak / 2**20:.1f} MiB, {peak / limit:.1%} of the limit; at the end {self.broker.rss_bytes() / 2**20:.1f} MiB")
        if peak > 1.1 * limit:
            self.failures.append("resident memory passed the limit by more than a tenth")

    def log_lines(self):
        self.log.seek(0)
        return self.log.read().splitlines()


def main():
    options = arguments()
    raise_descriptor_limit(2 * options.subscribers)
    with tempfile.TemporaryFile("w+") as log:
        scenario = Scenario(options, log)
        try:
            scenario.run()
        finally:
            scenario.broker.stop()
    for failure in scenario.failures:
        print("FAILED:", failure)
    return 1 if scenario.failures else 0


if __name__ == "__main__":
    sys.exit(main())
