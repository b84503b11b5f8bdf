"""What is measured: cases, each a workload, its parameters and its systems."""

LIMITS = ["limit-spin", "limit-yield", "limit-futex", "limit-eventfd"]
TOKIO = ["tokio-mt", "tokio-ct", "tokio-spawn"]
OURS = ["outboard", "outboard spin=off", "outboard-swift"]
LOOPS = ["naive-libuv"] + TOKIO + ["asio", "glib", "libevent"]
THREADS = ["crossbeam", "flume", "dispatch"]
PYTHON = ["asyncio", "uvloop", "anyio"]
PEERS = LOOPS + THREADS
QUEUES = ["queue-mutex", "queue-vyukov", "queue-urcu", "queue-ck",
          "queue-crossbeam", "queue-flume", "queue-std", "queue-tokio"]
# Where the whole table would say the same over and over: whoever is the best
# peer somewhere is here.
CHIEF = ["outboard", "outboard spin=off", "naive-libuv"] + TOKIO + [
    "asio", "crossbeam", "flume"]


# Rounds of what no goal is judged by, to keep the whole under 20 minutes.
FEW = 3


class Case:
    """One line of the plan."""

    def __init__(self, workload, systems, hogs=0, rounds=None, strace=False,
                 **parameters):
        self.workload = workload
        self.systems = systems
        self.hogs = hogs
        self.rounds = rounds  # at most; 1 for counts, which do not vary
        self.strace = strace  # count system calls
        self.parameters = parameters

    def title(self):
        words = [self.workload]
        words += [f"{k}={v}" for k, v in self.parameters.items()]
        words += [f"hogs={self.hogs}"] if self.hogs else []
        words += ["strace"] if self.strace else []
        return " ".join(words)

    def under(self, pin, hogs):
        """The same case under what the command line says of all of them."""
        parameters = dict(self.parameters)
        if pin:
            parameters.setdefault("pin", pin)
        return Case(self.workload, self.systems, hogs or self.hogs,
                    self.rounds, self.strace, **parameters)

    def arguments(self):
        return [f"{k}={v}" for k, v in self.parameters.items()]

    def cost(self, system, seconds):
        """About how long a measurement takes, in seconds."""
        seconds = self.parameters.get("seconds", seconds)
        cost = seconds + min(seconds / 5, 0.2) + 0.05
        cost += 0.2 if system in PYTHON else 0
        cost += 0.2 if self.hogs else 0       # until they are on their CPUs
        cost += 0.3 if self.strace else 0
        if self.workload == "post" and "in_flight" not in self.parameters:
            cost += 0.3                       # the rest of the window
        if self.workload == "tickets" or (
                self.parameters.get("outstanding", 0) >= 1000000):
            cost += 0.7                       # to make a million
        return cost


def quick():
    """Under a minute: what a change of the engine should be judged by."""
    one = ["outboard", "outboard-swift", "naive-libuv", "tokio-mt",
           "limit-spin", "limit-futex"]
    few = ["outboard", "naive-libuv", "tokio-mt"]
    awaits = ["outboard-swift", "actor"]
    return [
        Case("sync", one, producers=1),
        Case("sync", ["outboard", "tokio-mt", "limit-spin"], producers=1,
             pin="apart"),
        Case("sync", few, producers=16),
        Case("sync", few, producers=64),
        Case("post", few, producers=1),
        Case("post", few, producers=2),
        Case("pipelined", few, in_flight=1024),
        Case("await", ["outboard-swift"], **{"from": "loop"}, producers=1),
        Case("await", ["outboard-swift"], **{"from": "queue"}, producers=2),
        Case("await", awaits, **{"from": "pool"}, producers=16),
    ]


def calls():
    callers = (1, 2, 4, 16, 64)
    cases = [Case("sync", OURS + PEERS + ["asio-future"] +
                  (LIMITS if n == 1 else []), producers=n) for n in callers]
    # In the same tables, and far from the best of them.
    cases += [Case("sync", PYTHON, rounds=FEW, producers=n) for n in callers]
    for pin in ("same", "apart"):
        cases.append(Case("sync", CHIEF + ["outboard-swift"] + LIMITS,
                          producers=1, pin=pin))
        cases.append(Case("sync", CHIEF, rounds=FEW, producers=16, pin=pin))
    cases += [Case("sync", CHIEF, hogs=h, producers=n)
              for h in (1, 2) for n in (1, 16)]
    cases += [Case("sync", CHIEF, rounds=FEW, producers=4, handler_ns=ns)
              for ns in (2000, 20000, 200000)]
    cases += [Case("sparse", CHIEF + ["outboard-swift", "glib", "libevent"],
                   period_ns=ns)
              for ns in (100000, 1000000)]
    return cases


def streams():
    cases = [Case("post", OURS + PEERS, producers=n) for n in (1, 2, 4, 8)]
    cases += [Case("post", CHIEF, rounds=FEW, producers=n, in_flight=1000)
              for n in (1, 4)]
    cases += [Case("pipelined", OURS + PEERS, in_flight=n) for n in (64, 1024)]
    cases += [Case("await", ["outboard-swift"], **{"from": where}, producers=n)
              for where, n in (("loop", 1), ("queue", 2), ("queue", 1024),
                               ("yield", 1), ("body", 1), ("body", 16))]
    cases += [Case("await", ["outboard-swift", "actor"], **{"from": "pool"},
                   producers=n) for n in (1, 16, 1024)]
    return cases


def inner():
    timers = ["outboard"] + LOOPS
    cases = [Case("timer", timers, outstanding=n) for n in (1, 1024, 1000000)]
    bytes_ = ["outboard", "naive-libuv", "tokio-mt", "tokio-ct", "asio"]
    cases += [Case("payload", bytes_, rounds=FEW, payload=n, handed=h)
              for n in (0, 64, 4096, 1048576) for h in (0, 1)]
    pools = bytes_ + ["glib", "dispatch"] + PYTHON
    cases += [Case("offload", pools, rounds=FEW, producers=n) for n in (1, 16)]
    lives = ["outboard", "outboard-swift"] + [
        p for p in PEERS if p != "dispatch"]  # its threads outlive a queue
    cases += [Case("startstop", lives),
              Case("idle", lives + PYTHON, rounds=1, seconds=2)]
    cases += [Case("tickets", ["outboard"], rounds=1)]
    cases += [Case("queue", QUEUES, rounds=FEW, producers=n)
              for n in (1, 2, 4)]
    # Beside the load: with and without spinning, and a loop kept busy.
    echoes = bytes_[:1] + ["outboard spin=off"] + bytes_[1:]
    cases += [Case("echo", echoes, connections=4, producers=n) for n in (0, 1)]
    cases += [Case("echo", echoes, connections=4, producers=1,
                   handler_ns=20000),
              Case("sync", ["outboard", "tokio-mt"], producers=1,
                   handler_ns=20000)]
    cases += [Case("mixed", bytes_, rounds=FEW, connections=2, producers=4)]
    # Against sync with two callers, and with both on one CPU.
    cases += [Case("sync", bytes_, producers=2, engines=2),
              Case("sync", bytes_, producers=2, engines=2, pin="each"),
              Case("sync", ["outboard", "tokio-mt"], producers=2, pin="same")]
    return cases


def counts():
    """Allocations and system calls, which disturb the timing."""
    some = OURS + LOOPS + THREADS
    works = [("sync", {"producers": 1}), ("sync", {"producers": 16}),
             ("post", {"producers": 1}), ("pipelined", {"in_flight": 1024})]
    awaits = [Case("await", ["outboard-swift", "actor"], rounds=1, allocs=1,
                   **{"from": where}, producers=n)
              for where, n in (("loop", 1), ("queue", 2), ("yield", 1),
                               ("pool", 1), ("pool", 16))]
    return (awaits +
            [Case(w, some, rounds=1, allocs=1, **p) for w, p in works] +
            [Case(w, some, rounds=1, strace=True, **p) for w, p in works])


def full():
    """About twenty minutes: everything."""
    return calls() + streams() + inner() + counts()


PLANS = {"quick": (quick, 5, 0.3), "full": (full, 5, 0.3)}
