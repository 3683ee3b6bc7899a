"""What the machine does beside a run, from /proc, and free ports and descriptors for it."""

import os
import resource
import socket

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def raise_file_limit():
    """As many open files as allowed, for this process and what it starts; gives the number."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_ports(count):
    """Loopback ports that nobody listens on now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def process_cpu_seconds(pid):
    """User and system time of all threads so far; 0 if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def all_cpu_seconds():
    """(busy, steal) seconds of all CPUs together since the machine started."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    # A soft-irq in a process's own system call counts here and in that process's time alike.
    return (user + nice + system + irq + softirq) / TICKS_PER_SECOND, steal / TICKS_PER_SECOND


class DisturbanceMeter:
    """CPU that others used, and that the hypervisor took, while a run went on: shares of one core."""

    def __init__(self, monotonic_seconds):
        self.began = monotonic_seconds
        self.busy, self.steal = all_cpu_seconds()

    def shares(self, monotonic_seconds, own_cpu_seconds):
        """Requires: own_cpu_seconds is what server and load used since the meter was made."""
        elapsed = max(monotonic_seconds - self.began, 1e-9)
        busy, steal = all_cpu_seconds()
        return (busy - self.busy - own_cpu_seconds) / elapsed, (steal - self.steal) / elapsed


def description():
    """One line: processor, kernel, number of CPUs, memory."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    with open("/proc/meminfo") as file:
        memory_gib = int(file.readline().split()[1]) / 2**20
    return f"{os.cpu_count()} x {model}, {memory_gib:.0f} GiB, Linux {os.uname().release}"
