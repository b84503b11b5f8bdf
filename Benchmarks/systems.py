"""The systems under measurement: what they are and what they need."""
import os

OURS = ("outboard", "outboard spin=off", "outboard-swift")

# Program, what it stands for, the Debian package (or tool) it comes from.
SYSTEMS = [
    ("outboard", "Outboard in C", "libuv1-dev"),
    ("outboard-swift", "Outboard in Swift", "Swift 6.3"),
    ("limit-spin", "cache-line ping-pong", None),
    ("limit-yield", "sched_yield ping-pong", None),
    ("limit-futex", "futex ping-pong", None),
    ("limit-eventfd", "eventfd, epoll and futex", None),
    ("naive-libuv", "mutex, list, uv_async, condvar", "libuv1-dev"),
    ("tokio-mt", "tokio bridge, multi-thread", "librust-tokio-dev"),
    ("tokio-ct", "tokio bridge, current-thread", "librust-tokio-dev"),
    ("tokio-spawn", "tokio Handle::spawn", "librust-tokio-dev"),
    ("crossbeam", "crossbeam channel and thread", "librust-crossbeam-dev"),
    ("flume", "flume channel and thread", "librust-flume-dev"),
    ("asio", "Asio post and promise", "libasio-dev"),
    ("asio-future", "Asio use_future", "libasio-dev"),
    ("glib", "GLib g_main_context_invoke", "libglib2.0-dev"),
    ("libevent", "libevent event_active", "libevent-dev"),
    ("dispatch", "Dispatch serial queue", "Swift 6.3"),
    ("actor", "plain Swift actor", "Swift 6.3"),
    ("asyncio", "asyncio run_coroutine_threadsafe", "python3-dev"),
    ("uvloop", "the same on uvloop", "python3-uvloop"),
    ("anyio", "anyio blocking portal", "python3-anyio"),
    ("queue-mutex", "mutex and deque", None),
    ("queue-vyukov", "Vyukov's MPSC queue", None),
    ("queue-urcu", "liburcu wfcqueue", "liburcu-dev"),
    ("queue-ck", "Concurrency Kit MPSC ring", "libck-dev"),
    ("queue-crossbeam", "crossbeam channel", "librust-crossbeam-dev"),
    ("queue-flume", "flume channel", "librust-flume-dev"),
    ("queue-std", "Rust's std::sync::mpsc", "rustc"),
    ("queue-tokio", "tokio unbounded mpsc", "librust-tokio-dev"),
]

# What would belong here and cannot be had, and why.
ELSEWHERE = [
    ("swift-nio", "an outside Swift package, not in Debian"),
]

NAMES = [name for name, _, _ in SYSTEMS]


def program(directory, system):
    """The program of a system, which may carry parameters of its own."""
    return os.path.join(directory, system.split()[0])


def parameters(system):
    """The parameters in a system's name: "outboard spin=off"."""
    return system.split()[1:]


def is_ours(system):
    return system.split()[0] in OURS


def is_limit(system):
    return system.startswith("limit-")


def missing(directory):
    """Systems that are not built, each with the reason."""
    return [(name, f"needs {need}" if need else "not built")
            for name, _, need in SYSTEMS
            if not os.path.exists(os.path.join(directory, name))] + ELSEWHERE
