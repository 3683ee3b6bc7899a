"""Raw results as JSON lines, and the tables made of them: medians, spread, and ratios to the base of the same round."""

import json
import statistics

OTHER_CPU_MAX = 0.12  # of a core; above that a run was disturbed
STEAL_MAX = 0.10


def append_record(path, record):
    with open(path, "a") as file:
        file.write(json.dumps(record) + "\n")


def read_records(path):
    records = []
    with open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise SystemExit(f"{path}:{number}: {error}")
    return records


def is_quiet(record):
    return record["other_cpu"] <= OTHER_CPU_MAX and record["steal"] <= STEAL_MAX


def last_attempts(records):
    """One record for each scenario, server and round: a repetition stands for what it repeats, unless it was worse."""
    chosen = {}
    for record in records:
        key = record["scenario"], record["server"], record["round"]
        if key not in chosen or is_quiet(record) or not is_quiet(chosen[key]):
            chosen[key] = record
    return list(chosen.values())


class Row:
    """A server's runs of one scenario. Disturbed runs are left out where two quiet ones exist."""

    def __init__(self, server, records):
        self.server = server
        measured = [record for record in records if record["result"]]
        quiet = [record for record in measured if is_quiet(record)]
        self.is_doubtful = len(quiet) < min(2, len(records))
        self.used = measured if self.is_doubtful else quiet
        self.asked = len(records)
        self.failures = [record["failure"] for record in records if record["failure"]]

    def values(self, *path):
        """By round; rounds that have no such value are left out."""
        found = {}
        for record in self.used:
            value = record["result"]
            for key in path:
                value = value.get(key) if value else None
            if value is not None:
                found[record["round"]] = value
        return found

    def median(self, *path):
        values = self.values(*path)
        return statistics.median(values.values()) if values else None

    def ratio(self, base, *path):
        """The median of the ratios of each round, so that a phase of the machine meets both alike."""
        own, others = self.values(*path), base.values(*path)
        ratios = [own[number] / others[number] for number in own if others.get(number)]
        return statistics.median(ratios) if ratios else None

    def errors(self):
        """Text of what the load found wrong, all runs together."""
        sums = {}
        for record in self.used:
            for name, count in record["result"]["errors"].items():
                sums[name] = sums.get(name, 0) + count
        return ", ".join(f"{count} {name}" for name, count in sums.items() if count) or "0"


def number(value, digits=0, scale=1.0):
    return "-" if value is None else f"{value * scale:,.{digits}f}"


def times(ratio):
    return number(ratio, 2 if ratio is None or ratio >= 0.1 else 4)


def rate_with_spread(row):
    values = row.values("deliveries_per_second").values()
    if not values:
        return "-"
    return f"{number(statistics.median(values))} ({number(min(values))}-{number(max(values))})"


def load_cpu(row):
    limited = any(record["result"]["load"]["was_limit"] for record in row.used)
    return number(row.median("load", "cpu_share"), 0, 100) + (" (limit)" if limited else "")


LATENCIES = [("p50", "p50 µs"), ("p99", "p99 µs"), ("p99_9", "p99.9 µs")]
RATIOS = [(("server", "cpu_ns_per_delivery"), "CPU x"), (("deliveries_per_second",), "rate x"),
          (("latency_us", "p50"), "p50 x"), (("latency_us", "p99"), "p99 x"), (("completion_us", "p50"), "last x")]
FIGURES = [("rss_per_connection_bytes", "RSS a connection, B"), ("connect_cpu_us", "CPU a connect, µs"),
           ("connect_p50_us", "connect p50 µs"), ("connect_p99_us", "connect p99 µs")]

COMMON = [
    ("server CPU %", lambda row: number(row.median("server", "cpu_share"), 0, 100)),
    ("RSS MiB", lambda row: number(row.median("server", "rss_bytes"), 1, 1 / 2**20)),
    ("errors", Row.errors),
    ("load CPU %", load_cpu),
]
DELIVERIES = [
    ("deliveries/s median (min-max)", rate_with_spread),
    ("CPU ns/delivery", lambda row: number(row.median("server", "cpu_ns_per_delivery"))),
    *[(title, lambda row, name=name: number(row.median("latency_us", name))) for name, title in LATENCIES],
    ("last p50 µs", lambda row: number(row.median("completion_us", "p50"))),
    *COMMON,
]
CONNECTIONS = [(title, lambda row, name=name: number(row.median("figures", name))) for name, title in FIGURES] + COMMON


def markdown(scenario, what, records, base_server):
    """The scenario's table. Requires: records are of this scenario alone and there is one at least."""
    records = last_attempts(records)
    servers = list(dict.fromkeys(record["server"] for record in records))
    rows = [Row(server, [record for record in records if record["server"] == server]) for server in servers]
    base = next((row for row in rows if row.server == base_server), None)
    delivers = any(row.median("delivered") for row in rows)
    columns = DELIVERIES if delivers else CONNECTIONS
    ratios = RATIOS if delivers and base else []
    titles = ["server", "runs", *[title for title, _ in columns], *[title for _, title in ratios]]
    command = "stampede-bench " + " ".join(records[-1]["load_flags"])
    lines = [f"### {scenario}: {what}", "", f"`{command}`", "", "| " + " | ".join(titles) + " |", "|---|" + "--:|" * (len(titles) - 1)]
    for row in rows:
        cells = [row.server + ("*" if row.is_doubtful else ""), f"{len(row.used)}/{row.asked}"]
        cells += [cell(row) for _, cell in columns]
        cells += ["" if row is base else times(row.ratio(base, *path)) for path, _ in ratios]
        lines.append("| " + " | ".join(cells) + " |")
    notes = [f"- {row.server}: {failure}" for row in rows for failure in dict.fromkeys(row.failures)]
    return "\n".join(lines + ([""] + notes if notes else [])) + "\n"


def summary(records, subject, base_server):
    """One line a scenario: what a delivery costs the subject, and how the others stand to it. Requires: some records."""
    records = last_attempts(records)
    others = [server for server in dict.fromkeys(record["server"] for record in records) if server != subject]
    lines = ["| scenario | " + " | ".join([f"{subject}: CPU ns/delivery", "deliveries/s", f"CPU x {base_server}",
                                           f"p50 x {base_server}", f"p99 x {base_server}",
                                           *[f"{server}: CPU x {subject}" for server in others]]) + " |",
             "|---|" + "--:|" * (5 + len(others))]
    for scenario in dict.fromkeys(record["scenario"] for record in records):
        rows = {server: Row(server, [record for record in records
                                     if (record["scenario"], record["server"]) == (scenario, server)])
                for server in [subject, *others]}
        own, base = rows[subject], rows.get(base_server)
        cost = ("server", "cpu_ns_per_delivery")
        if not own.median(*cost):
            continue
        cells = [number(own.median(*cost)), number(own.median("deliveries_per_second"))]
        cells += [times(own.ratio(base, *path)) if base else "-"
                  for path in (cost, ("latency_us", "p50"), ("latency_us", "p99"))]
        cells += [times(rows[server].ratio(own, *cost)) for server in others]
        lines.append(f"| {scenario}{'*' if own.is_doubtful else ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


LEGEND = f"""\
Medians over runs; servers took turns. "x" columns: median of each round's ratio to {{base}}. "runs": used/asked; a run with
more than {OTHER_CPU_MAX:.0%} of a core used by others, or {STEAL_MAX:.0%} stolen, was repeated, and is left out where two quiet ones exist; `*` marks a
row that has fewer. "last": from the intended time of a publish to its last subscriber. "(limit)": the load was the limit."""
