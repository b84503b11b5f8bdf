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
# Where the whole table would say the same over and over.
CHIEF = ["outboard", "outboard spin=off", "naive-libuv", "tokio-mt",
         "tokio-ct", "asio", "flume"]


class Case:
    """One line of the plan."""

    def __init__(self, workload, systems, hogs=0, once=False, strace=False,
                 **parameters):
        self.workload = workload
        self.systems = systems
        self.hogs = hogs
        self.once = once      # counts, which do not vary: in one round only
        self.strace = strace  # count system calls
        self.parameters = parameters

    def title(self):
        words = [self.workload]
        words += [f"{k}={v}" for k, v in self.parameters.items()]
        words += [f"hogs={self.hogs}"] if self.hogs else []
        words += ["strace"] if self.strace else []
        return " ".join(words)

    def arguments(self):
        return [f"{k}={v}" for k, v in self.parameters.items()]


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
        Case("await", ["outboard-swift"], **{"from": "queue"}, producers=1),
        Case("await", awaits, **{"from": "pool"}, producers=16),
    ]


def calls():
    everybody = OURS + PEERS + ["asio-future"] + PYTHON
    cases = [Case("sync", everybody + (LIMITS if n == 1 else []), producers=n)
             for n in (1, 2, 4, 16, 64)]
    for pin in ("same", "apart"):
        cases.append(Case("sync", CHIEF + LIMITS, producers=1, pin=pin))
        cases.append(Case("sync", CHIEF, producers=16, pin=pin))
    cases += [Case("sync", CHIEF, hogs=h, producers=n)
              for h in (1, 2) for n in (1, 16)]
    cases += [Case("sync", CHIEF, producers=4, handler_ns=ns)
              for ns in (2000, 20000, 200000)]
    cases += [Case("sparse", CHIEF + ["glib", "libevent"], period_ns=ns)
              for ns in (100000, 1000000)]
    return cases


def streams():
    cases = [Case("post", OURS + PEERS, producers=n) for n in (1, 2, 4, 8)]
    cases += [Case("post", CHIEF, producers=n, in_flight=1000) for n in (1, 4)]
    cases += [Case("pipelined", OURS + PEERS, in_flight=n) for n in (64, 1024)]
    cases += [Case("await", ["outboard-swift"], **{"from": where}, producers=n)
              for where, n in (("loop", 1), ("queue", 1), ("queue", 1024),
                               ("body", 1), ("body", 16))]
    cases += [Case("await", ["outboard-swift", "actor"], **{"from": "pool"},
                   producers=n) for n in (1, 16, 1024)]
    return cases


def inner():
    timers = ["outboard"] + LOOPS
    cases = [Case("timer", timers, outstanding=n) for n in (1, 1024, 1000000)]
    bytes_ = ["outboard", "naive-libuv", "tokio-mt", "tokio-ct", "asio"]
    cases += [Case("payload", bytes_, payload=n, handed=h)
              for n in (0, 64, 4096, 1048576) for h in (0, 1)]
    pools = bytes_ + ["glib", "dispatch"] + PYTHON
    cases += [Case("offload", pools, producers=n) for n in (1, 16)]
    lives = ["outboard", "outboard-swift"] + [
        p for p in PEERS if p != "dispatch"]  # its threads outlive a queue
    cases += [Case("startstop", lives),
              Case("idle", lives + PYTHON, once=True, seconds=2)]
    cases += [Case("tickets", ["outboard"], once=True)]
    cases += [Case("queue", QUEUES, producers=n) for n in (1, 2, 4)]
    cases += [Case("echo", bytes_, connections=4, producers=n) for n in (0, 1)]
    cases += [Case("mixed", bytes_, connections=2, producers=4)]
    cases += [Case("sync", bytes_, producers=2, engines=2)]
    return cases


def counts():
    """Allocations and system calls, which disturb the timing."""
    some = OURS + LOOPS + THREADS
    works = [("sync", {"producers": 1}), ("sync", {"producers": 16}),
             ("post", {"producers": 1}), ("pipelined", {"in_flight": 1024})]
    return ([Case(w, some, once=True, allocs=1, **p) for w, p in works] +
            [Case(w, some, once=True, strace=True, **p) for w, p in works])


def full():
    """About twenty minutes: everything."""
    return calls() + streams() + inner() + counts()


PLANS = {"quick": (quick, 5, 0.3), "full": (full, 5, 0.35)}
