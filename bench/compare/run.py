#!/usr/bin/env python3
"""Measures Stampede beside the floors and other brokers, in turn, and prints a table for each scenario.

    bench/compare/run.py --servers stampede,floor-epoll,nats-ws --scenarios S1,S3 --runs 5
    bench/compare/run.py --quick                                every server and scenario for a moment: does all of it work?
    bench/compare/run.py --from build/compare/results.jsonl     the tables of earlier runs

bench/README.md says how a number is taken.
"""

import argparse
import datetime
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

import install
import machine
import peers
import scenarios
import table

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REPETITIONS_MAX = 2  # of a run that others disturbed
# Some brokers take a minute for 10,000 connections, and longer than a run to deliver what they have queued.
PATIENCE = ["--set-up-time", "300s", "--drain-time", "90s"]
QUICK_PATIENCE = ["--set-up-time", "20s", "--drain-time", "20s"]
RUN_SECONDS_MAX = 600


def names(known, what):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {what} '{name}'; there are {', '.join(known)}")
        return chosen
    return parse


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=names(peers.ALL, "server"), default=list(peers.ALL), metavar="LIST")
    parser.add_argument("--scenarios", type=names(scenarios.ALL, "scenario"), default=list(scenarios.ALL), metavar="LIST")
    parser.add_argument("--runs", type=int, default=5, help="rounds; each runs every server once (default 5)")
    parser.add_argument("--base", default="floor-epoll", help="server that ratios refer to (default floor-epoll)")
    # Absolute, as each server runs in a directory of its own.
    parser.add_argument("--build", type=os.path.abspath, default=os.path.join(ROOT, "build", "release"),
                        help="folder of the programs")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--load-cpu", type=int, default=1)
    parser.add_argument("--stampede-flags", default="", help="more flags for the broker, in one argument")
    parser.add_argument("--out", help="file of raw results (default build/compare/results-TIME.jsonl)")
    parser.add_argument("--quick", action="store_true", help="small and short; the figures mean nothing")
    parser.add_argument("--from", dest="earlier", metavar="FILE", help="run nothing, print the tables of FILE")
    options = parser.parse_args()
    if options.quick:
        options.runs = 1
    return options


def run_once(options, server, scenario, file_limit):
    """One fresh server and one load. Gives what goes into a record beside who ran and when."""
    flags = scenario.stampede_flags if server.name == "stampede" else ()
    if server.name == "stampede":
        flags += tuple(options.stampede_flags.split())
    load_flags = scenario.flags(options.quick, file_limit)
    with tempfile.TemporaryDirectory() as directory:
        report = os.path.join(directory, "report.json")
        try:
            running = server.start(options.server_cpu, options.build, flags)
        except (OSError, RuntimeError) as error:
            return {"load_flags": load_flags, "other_cpu": 0, "steal": 0, "exit_code": None, "failure": str(error),
                    "result": None}
        try:
            command = ["taskset", "-c", str(options.load_cpu), os.path.join(options.build, "stampede-bench"),
                       *load_flags, *(QUICK_PATIENCE if options.quick else PATIENCE), "--url", running.url,
                       "--server-pid", str(running.pid), "--json", report]
            own_before = own_cpu_seconds(running)
            meter = machine.DisturbanceMeter(time.monotonic())
            try:
                load = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
                exit_code, said = load.returncode, load.stderr
            except subprocess.TimeoutExpired:
                exit_code, said = None, f"the load did not end within {RUN_SECONDS_MAX} s"
            other_cpu, steal = meter.shares(time.monotonic(), own_cpu_seconds(running) - own_before)
            failure = failure_of(running, exit_code, said)
        finally:
            running.stop()
        result = None
        if os.path.exists(report) and os.path.getsize(report):
            with open(report) as file:
                result = json.load(file)
    return {"load_flags": load_flags, "other_cpu": round(other_cpu, 4), "steal": round(steal, 4),
            "exit_code": exit_code, "failure": failure, "result": result}


def own_cpu_seconds(running):
    """Of the server, and of every load that has ended; its start-up is not, for it was before."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return machine.process_cpu_seconds(running.pid) + children.ru_utime + children.ru_stime


def failure_of(running, exit_code, said):
    """None, or one line."""
    if running.has_ended():
        return "the server ended during the run: " + running.log_tail().strip().replace("\n", " | ")[-300:]
    if exit_code in (0, 2, 3):
        return None
    return said.strip().replace("\n", " | ")[-300:] or f"stampede-bench ended with {exit_code}"


def measure(options, out):
    file_limit = machine.raise_file_limit()
    context = {"time": datetime.datetime.now().isoformat(timespec="seconds"), "commit": commit(),
               "quick": options.quick, "stampede_flags": options.stampede_flags}
    for name in options.scenarios:
        scenario = scenarios.ALL[name]
        for round_number in range(options.runs):
            # Each round begins with another server, so that none always runs behind the same one.
            shift = round_number % len(options.servers)
            for server in options.servers[shift:] + options.servers[:shift]:
                if scenario.command == "queue" and not peers.ALL[server].has_queues:
                    continue
                for attempt in range(1 + REPETITIONS_MAX):
                    run = run_once(options, peers.ALL[server], scenario, file_limit)
                    record = {**context, "scenario": name, "server": server, "round": round_number,
                              "attempt": attempt, **run}
                    table.append_record(out, record)
                    print(progress(record), file=sys.stderr, flush=True)
                    if options.quick or not run["result"] or table.is_quiet(record):
                        break


def progress(record):
    text = f"{record['scenario']} round {record['round'] + 1} {record['server']}: "
    if record["result"]:
        rate = record["result"]["deliveries_per_second"]
        cost = (record["result"]["server"] or {}).get("cpu_ns_per_delivery")
        text += f"{rate:,.0f} deliveries/s, {table.number(cost)} ns"
        if record["result"]["first_error"]:
            text += f", {record['result']['first_error']}"
    if record["failure"]:
        text += f" FAILED: {record['failure']}"
    if not table.is_quiet(record):
        text += f" (disturbed: other {record['other_cpu']:.0%}, steal {record['steal']:.0%})"
    return text


def commit():
    described = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return described.stdout.strip()


def print_tables(options, path):
    records = table.read_records(path) if os.path.exists(path) else []
    if not records:
        raise SystemExit(f"no results in {path}")
    print(f"{machine.description()}; commit {records[0]['commit']}; {records[0]['time']}\n")
    if any(record["quick"] for record in records):
        print("**Quick: this shows that all of it works; the figures mean nothing.**\n")
    for line in install.versions([peers.ALL[name] for name in {record["server"] for record in records}]):
        print(f"- {line}")
    print("\n" + table.LEGEND.format(base=options.base) + "\n")
    if {"stampede"} < {record["server"] for record in records}:
        print("### All scenarios\n\n" + table.summary(records, "stampede", options.base))
    for name in dict.fromkeys(record["scenario"] for record in records):
        own = [record for record in records if record["scenario"] == name]
        print(table.markdown(name, scenarios.ALL[name].what, own, options.base))


def main():
    options = arguments()
    if options.earlier:
        print_tables(options, options.earlier)
        return
    install.ensure([peers.ALL[name] for name in options.servers], options.build)
    folder = os.path.join(ROOT, "build", "compare")
    os.makedirs(folder, exist_ok=True)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    out = options.out or os.path.join(folder, f"results-{stamp}.jsonl")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server of the moment is ended too
    try:
        measure(options, out)
    except KeyboardInterrupt:
        print("interrupted: the tables have what was measured so far", file=sys.stderr)
    print_tables(options, out)
    print(f"Raw results: {os.path.relpath(out)}")


if __name__ == "__main__":
    main()
