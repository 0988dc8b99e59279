"""The rows of the table: how each is measured, and the gate that its figures are held against.

A figure is better when it is higher for rates, and when it is lower for everything else. A gate on the ratio compares
Sluice with Postfix; a gate on the figure stands for itself.
"""

import dataclasses
import json
import resource
import statistics
import subprocess
import time

# A load starts when the last one's deletions are past: ext4 hands out no inode that was freed within the last five
# seconds, and searching around thousands of them is CPU that would be charged to whoever creates files next.
SETTLE_SECONDS = 6.0
IDLE_SECONDS = 5.0
SMALL, LARGE = 4096, 5 << 20


@dataclasses.dataclass
class Gate:
    """`ratio` to Postfix or the figure itself, at least or at most so much."""

    of: str
    sign: str
    bound: float

    def text(self):
        return f"{self.sign} {self.bound:g}{'x' if self.of == 'ratio' else ''}"

    def is_met(self, figure, ratio):
        value = ratio if self.of == "ratio" else figure
        return None if value is None else value >= self.bound if self.sign == ">=" else value <= self.bound


@dataclasses.dataclass
class Figure:
    """One line of the table."""

    name: str
    label: str
    gate: Gate | None


@dataclasses.dataclass
class Row:
    """What is measured together; `measure(server, options)` answers a value for each figure's name."""

    name: str
    what: str
    measure: object
    figures: list


def limits():
    """Descriptors for thousands of sessions; the servers and clients inherit them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def ask(server, options, words):
    told = subprocess.run(
        [options.load, words[0], "--address", f"127.0.0.1:{server.port}", *map(str, words[1:])],
        capture_output=True, text=True,
    )
    if told.returncode:
        raise RuntimeError(f"{server.name}: {told.stderr.strip()}")
    return json.loads(told.stdout)


def messages(server, options, sessions, count, size):
    time.sleep(SETTLE_SECONDS)
    before, cpu = server.arrived(), server.cpu_seconds()
    words = ["messages", "--sessions", sessions, "--messages", count, "--bytes", size]
    told = ask(server, options, words)
    server.drained(before, count)
    latencies = sorted(told["latencies"])
    return {
        "rate": count / told["seconds"],
        "cpu": (server.cpu_seconds() - cpu) / count * 1000,
        "p50": statistics.median(latencies) * 1000,
        "p99": latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)] * 1000,
    }


def accept(server, options):
    return messages(server, options, 20, options.messages, SMALL)


def alone(server, options):
    return messages(server, options, 1, max(50, options.messages // 4), SMALL)


def large(server, options):
    return messages(server, options, 4, options.large_messages, LARGE)


def connects(server, options):
    return {"seconds": ask(server, options, ["connects", "--count", 1000, "--at-once", 50])["seconds"]}


def idle(server, options):
    """Memory that so many greeted sessions add, and what they burn while nobody says anything."""
    sessions = min(options.idle_sessions, server.idle_sessions_max)
    before = server.memory_bytes()
    words = [options.load, "idle", "--address", f"127.0.0.1:{server.port}", "--sessions", str(sessions)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        opened = clients.stdout.readline()
        if not opened or json.loads(opened)["open"] != sessions:
            raise RuntimeError(f"{server.name} did not greet {sessions} sessions")
        time.sleep(1)  # what greeting left behind is cleared up
        added = server.memory_bytes() - before
        cpu = server.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        cpu = server.cpu_seconds() - cpu
        clients.stdin.close()
    return {"kib": added / 1024 / sessions, "cpu": cpu / IDLE_SECONDS * 1000}


def syncs(server, options):
    """Synced files and folders for each message from accept to delivery, counted by strace; its load is not timed."""
    count, before = 200, server.arrived()
    words = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync,sync_file_range,syncfs"]
    for pid in server.processes():
        words += ["-p", str(pid)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as trace:
        time.sleep(1)
        ask(server, options, ["messages", "--sessions", 20, "--messages", count, "--bytes", SMALL])
        server.drained(before, count)
        trace.terminate()
        table = trace.stderr.read()
    calls = [line.split() for line in table.splitlines()]
    total = sum(int(words[3]) for words in calls if words and words[-1] in ("fsync", "fdatasync", "syncfs"))
    return {"syncs": total / count}


def ratio(sign, bound):
    return Gate("ratio", sign, bound)


ROWS = [
    Row("accept", "4 KiB, 20 sessions, synced before 250", accept, [
        Figure("rate", "messages/s", ratio(">=", 8)),
        Figure("cpu", "CPU ms/message", ratio("<=", 0.15)),
        Figure("p99", "p99 ms", ratio("<=", 0.2)),
    ]),
    Row("alone", "4 KiB, 1 session", alone, [Figure("p50", "p50 ms", ratio("<=", 0.5))]),
    Row("large", "5 MiB, 4 sessions", large, [
        Figure("rate", "messages/s", ratio(">=", 3)),
        Figure("cpu", "CPU ms/message", ratio("<=", 0.25)),
    ]),
    Row("idle", "sessions that said EHLO and nothing more", idle, [
        Figure("kib", "KiB each", Gate("figure", "<=", 4)),
        Figure("cpu", "CPU ms/s", Gate("figure", "<=", 1)),
    ]),
    Row("connects", "1,000 connects, 50 at once, until greeted", connects, [
        Figure("seconds", "s", Gate("figure", "<=", 0.3)),
    ]),
    Row("syncs", "4 KiB, 20 sessions, accept to mailbox", syncs, [Figure("syncs", "syncs/message", None)]),
]
