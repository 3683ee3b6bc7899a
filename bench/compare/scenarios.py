"""What is measured: a name, and the load that makes it. The names are those of the README's performance section."""

import dataclasses

SPARE_FILES = 300  # of a process, beside its connections; Stampede keeps 256 of them


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    what: str
    command: str  # of stampede-bench
    load: dict  # its flags, without the leading dashes
    seconds: float = 5
    warm_up_seconds: float = 1
    # Which share of the fan-out a smoke test keeps.
    quick_subscribers: int = 20
    # What only Stampede must be told; a peer has no such limit, or its configuration lifts it.
    stampede_flags: tuple = ()

    def flags(self, quick, file_limit):
        """The command line of stampede-bench without what depends on the server."""
        load = dict(self.load)
        # Both sides hold one descriptor for each connection.
        load["subscribers"] = min(load["subscribers"], file_limit - SPARE_FILES - load.get("publishers", 0))
        seconds, warm_up = self.seconds, self.warm_up_seconds
        if quick:
            load["subscribers"] = min(load["subscribers"], self.quick_subscribers)
            load["destinations"] = min(load.get("destinations", 1), 4)
            load["publishers"] = min(load.get("publishers", 1), 10)
            if "rate" in load:
                load["rate"] = 20
            seconds, warm_up = 0.5, 0.2
        flags = [self.command]
        for name, value in load.items():
            if self.command == "idle" and name in ("destinations", "publishers"):
                continue
            flags += [f"--{name}", str(value)]
        return flags + ["--warm-up", f"{warm_up * 1000:.0f}ms", "--duration", f"{seconds * 1000:.0f}ms"]


def fan_out(name, what, load, **rest):
    return Scenario(name, what, "fanout", {"publishers": 1, **load}, **rest)


ALL = {scenario.name: scenario for scenario in [
    fan_out("S1", "1 topic, 1 publisher, 1,000 subscribers, 100 B, closed loop, window 64",
            {"subscribers": 1000, "window": 64}),
    fan_out("S1r", "S1 published in bursts of 32", {"subscribers": 1000, "window": 64, "burst": 32}),
    fan_out("S1-uuid", "S1, a subscription id of its own for every subscriber",
            {"subscribers": 1000, "window": 64, "subscription-id": "uuid"}),
    fan_out("S2a", "S1 with 100 subscribers", {"subscribers": 100, "window": 64}),
    fan_out("S2b", "S1 with 5,000 subscribers", {"subscribers": 5000, "window": 64}, warm_up_seconds=2),
    fan_out("S3", "1,000 topics of 5 subscribers, 4 publishers, 100 B, window 256",
            {"subscribers": 5000, "destinations": 1000, "publishers": 4, "window": 256}),
    fan_out("S4a", "open loop, 100 publishes a second to 1,000 subscribers, 100 B",
            {"subscribers": 1000, "rate": 100}),
    fan_out("S4c", "open loop, 20 publishes a second to 1,000 subscribers, 100 B",
            {"subscribers": 1000, "rate": 20}),
    fan_out("S5", "16 KiB bodies, 200 subscribers, window 16", {"subscribers": 200, "window": 16, "body-size": 16384}),
    Scenario("S6", "10,000 idle subscribed connections", "idle", {"subscribers": 10000}, seconds=2,
             quick_subscribers=200),
    fan_out("S7a", "ping-pong: 1 publisher, 1 subscriber, window 1", {"subscribers": 1, "window": 1}),
    fan_out("S7b", "1 publisher, 1 subscriber, window 256", {"subscribers": 1, "window": 256}),
    Scenario("Q4", "a queue: 1 publisher, 4 consumers, client-individual, prefetch 100, window 1,000", "queue",
             {"subscribers": 4, "publishers": 1, "window": 1000, "ack": "client-individual", "prefetch": 100}),
    # The window is longer than most: one message a second is one sample of completion a second.
    fan_out("S20k", "20,000 subscribers (or what the limit of open files leaves), 1 message a second",
            {"subscribers": 20000, "rate": 1}, seconds=20, warm_up_seconds=3),
    fan_out("fan-in", "1,000 publishers to 1 subscriber, 100 B, window 4 each",
            {"subscribers": 1, "publishers": 1000, "window": 4000}),
]}
