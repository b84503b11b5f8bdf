"""What PostgreSQL shows of each promise; drive.py runs these. A function
returns the text of what it saw, or raises Failed."""
import os
import signal
import subprocess
import sys
import time

from server import BASE, BIN, DROP, PATIENCE, Server, alive, check, status, until

CONFIGURATION = '{"database_url":"sqlite::memory:","max_connections":4,"timeout_seconds":20}'
CANCELLED = "ERROR:  canceling statement due to user request"
TIMED_OUT = "ERROR:  canceling statement due to statement timeout"
TERMINATED = "terminating connection due to administrator command"
INTERRUPTIBLE = (
    "SELECT engine_call(1, 60000)",
    "SELECT engine_latch(1, 60000)",
    """SELECT engine_many('clock', 'wait_both',
         array_fill('{"first_ms":3000,"second_ms":1}'::text, ARRAY[16]))""",
)


def lines(text):
    return [line for line in text.split("\n") if line]


def difference(before, after):
    return [f"-{line}" for line in lines(before) if line not in lines(after)] + [
        f"+{line}" for line in lines(after) if line not in lines(before)
    ]


def detach(session, ms, times):
    """Calls in flight on the backend's pool, which nobody waits for."""
    args = f'{{"first_ms":{ms},"second_ms":1}}'
    said = session.ask(f"SELECT engine_detach('clock', 'wait_both', '{args}', {times})")
    check(said == "", said)


def right(session, n=0):
    """The session goes on: plugins and engine answer."""
    said = session.ask(
        f"SELECT check_nth({n}) + check_nth({n + 1}), engine_call({n}, 1), engine_latch({n}, 1)")
    check(said == f"2|{3 * n + 1}|{3 * n + 1}", f"wrong afterwards: {said}")


def answers():
    """Many backends at once, and many calls at once from one backend."""
    with Server() as server:
        calls = server.bench(
            "\\set n random(0, 100000)\nSELECT use_plugins();\n"
            "SELECT check_nth(:n) + check_nth(:n + 1) + check_nth(:n + 2) + check_nth(:n + 3);\n",
            16, 60)
        session = server.session()
        many = 40 * 32
        said = session.ask("SELECT sum(check_many(32)) FROM generate_series(1, 40)")
        check(said == str(many), said)
        for n in range(60):
            right(session, n)
        check(session.ask("SELECT engine_in_flight()") == "0", "calls left")
    return (f"{4 * calls} calls of 16 backends at once compared, {many} of one backend 32 at once, "
            "errors came as errors of SQL")


def loop():
    """Blocked in the engine, a backend still takes its signals: DROP DATABASE
    has every backend take part in a barrier (SIGUSR1, latch)."""
    rounds = 3
    with Server() as server:
        blocked = [server.session() for _ in range(6)]
        for number, session in enumerate(blocked):
            session.send(INTERRUPTIBLE[number % 2])
        many = server.session()
        many.send(INTERRUPTIBLE[2])
        for session in blocked:
            session.blocked()
        for n in range(rounds):
            server.psql("-c", f"CREATE DATABASE other{n} TEMPLATE template0 STRATEGY file_copy",
                        limit=PATIENCE)
            server.psql("-c", f"DROP DATABASE other{n}", limit=PATIENCE)
        answer = many.answer()
        check(answer.count("elapsed_ms") == 16, answer)
        ours = server.session()
        for session in blocked:
            check(ours.ask(f"SELECT pg_cancel_backend({session.pid})") == "t", "cancel")
            check(session.answer() == CANCELLED, "cancelled")
            right(session)
    return (f"{rounds} times CREATE and DROP DATABASE had 7 backends that were blocked in the engine "
            "pass their barriers at once")


def deadlines():
    with Server() as server:
        late, others = [server.session() for _ in range(8)], server.session()
        begin = time.monotonic()
        for session in late:
            session.send("SELECT guest_call('clock', 'wait_both', "
                         "'{\"first_ms\":60000,\"second_ms\":1,\"timeout_ms\":60}')")
        total = others.ask("SELECT sum(check_nth(n)) FROM generate_series(1, 300) n")
        check(total == "300", total)
        for session in late:
            check('{"error":"no answer: deadline expired"}' in session.answer(), "deadline")
            right(session)
        ms = int(1000 * (time.monotonic() - begin))
        check(ms >= 60, f"{ms} ms")
    return f"8 backends' calls of 60 s ended at their deadlines of 60 ms (all in {ms} ms), beside 300 others"


def signals(pid, field):
    """A set of signals, but for the two that glibc keeps for its threads."""
    return int(status(pid, field), 16) & ~(3 << 31)


def untouched():
    with Server() as server:
        session = server.session(plugins=False)
        before = session.ask("SELECT guest_state()")
        check(session.ask("SELECT use_plugins()") == "", "load")
        for n in range(40):
            right(session, n)
        session.ask("SET statement_timeout = 60000")  # its timer is PostgreSQL's
        session.ask("SELECT check_many(64)")
        session.ask("SET statement_timeout = 0")
        detach(session, 1, 20)
        after = session.ask("SELECT guest_state()")
        left = [line for line in difference(before, after)]
        check(len(lines(before)) > 80 and not left, f"the backend is not as before: {left}")
    # The postmaster, that has an engine and a plugin running, beside one
    # without.
    fields = ("Umask", "NoNewPrivs", "Seccomp")
    seen = []
    for preload in (False, True):
        with Server(preload) as server:
            server.bench("SELECT 1;\n", 4, 5, "-C")
            seen.append([signals(server.pid, field) for field in ("SigBlk", "SigIgn", "SigCgt")]
                        + [status(server.pid, field) for field in fields]
                        + [open(f"/proc/{server.pid}/limits").read(),
                           os.readlink(f"/proc/{server.pid}/cwd")])
            threads = int(status(server.pid, "Threads"))
            check((threads > 1) == preload, f"{threads} threads")
    check(seen[0] == seen[1], f"the postmaster is not the same: {seen}")
    return f"{len(lines(before))} lines of a backend's state, and the postmaster's signals and limits, are the same"


def quiet():
    """Each server's log is looked at as it stops; this one does everything."""
    with Server(preload=True) as server:
        server.bench("SELECT use_plugins();\nSELECT check_many(8);\n", 8, 5)
        session = server.session()
        right(session)
        written = len(server.said().splitlines())
    return f"the server's log has its own {written} lines only, nor has any other server here another"


def own(text):
    """Descriptors, but for the files of its tables that a backend keeps open."""
    return [line for line in lines(text) if f"{BASE}/data/" not in line]


def descriptors():
    with Server() as server:
        session = server.session(plugins=False)
        before = own(session.ask("SELECT guest_descriptors()"))
        session.ask("SELECT use_plugins()")
        session.ask("SELECT check_many(64), engine_latch(1, 1), count(check_nth(n)) "
                    "FROM generate_series(1, 100) n")
        first = own(session.ask("SELECT guest_descriptors()"))
        ours = [line for line in first if line not in before]
        check(ours, "the engines have descriptors")
        for line in ours:
            check(line.split()[1] == "cloexec", f"not close-on-exec: {line}")
        total = session.ask("SELECT sum(check_nth(n)) FROM generate_series(1, 1000) n")
        check(total == "1000", total)
        session.ask("SELECT check_many(64)")
        last = own(session.ask("SELECT guest_descriptors()"))
        check(len(first) == len(last), f"{difference(chr(10).join(first), chr(10).join(last))}")
    return f"{len(ours)} descriptors, all close-on-exec, as many after 1,000 calls more"


def switches(pid, thread):
    try:
        with open(f"/proc/{pid}/task/{thread}/status") as text:
            for line in text:
                if line.startswith("voluntary_ctxt_switches:"):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None  # a pool thread that has left
    return None


def threads():
    with Server(preload=True) as server:
        session = server.session(plugins=False)
        before = lines(session.ask("SELECT guest_threads()"))
        check(len(before) == 1, f"a backend begins with one thread: {before}")
        session.ask("SELECT use_plugins()")
        session.ask("SELECT check_many(32)")
        right(session)
        after = lines(session.ask("SELECT guest_threads()"))
        ours = [line for line in after if line.split()[0] not in {before[0].split()[0]}]
        check(len(ours) >= 3, f"the engines have threads: {after}")
        for line in ours:
            check(line.endswith(" process"), f"blocks the wrong signals: {line}")
        watched = [(session.pid, line.split()[0]) for line in ours]
        watched += [(server.pid, thread) for thread in os.listdir(f"/proc/{server.pid}/task")
                    if int(thread) != server.pid]
        moved = []
        for _ in range(5):
            counts = [switches(*one) for one in watched]
            for _ in range(10):  # a machine that stands still does so in one of them
                time.sleep(0.1)
            now = [switches(*one) for one in watched]
            moved = [one for one, a, b in zip(watched, counts, now) if b is not None and a != b]
            if not moved:
                break
        check(not moved, f"threads ran while idle: {moved} of {ours}")
    return (f"{len(watched)} threads of backend and postmaster block what is meant for the process "
            "and no fault; idle, none ran for a second")


def symbols():
    """A backend of single-user mode, since the loader's account is by process."""
    known = ("uv_run", "uv_version", "swift_retain", "sqlite3_open_v2", "sqlite3_libversion",
             "ob_engine_start", "ob_version_string", "mcp_reply")
    seen = 0
    for scope in ("false", "true"):
        log = os.path.join(BASE, "sock", f"bindings-{scope}")  # the user's folder
        look = ", ".join(f"guest_file('{name}')" for name in known)
        statements = [f"SELECT 'before ' || concat_ws('|', {look})",
                      f"SELECT use_plugins({scope})",
                      "SELECT sum(check_nth(n)) FROM generate_series(1, 50) n",
                      "SELECT engine_call(1, 1)",
                      f"SELECT 'after ' || concat_ws('|', {look})"]
        with Server():
            pass  # the functions are defined
        done = subprocess.run(
            DROP + ["env", "LD_BIND_NOW=1", "LD_DEBUG=bindings", f"LD_DEBUG_OUTPUT={log}",
                    f"{BIN}/postgres", "--single", "-j", "-D", f"{BASE}/data",
                    "-c", f"guest.pricing={os.environ['PRICING']}",
                    "-c", f"guest.clock={os.environ['CLOCK']}", "postgres"],
            input=";\n\n".join(statements) + ";\n\n", capture_output=True, text=True,
            timeout=60, cwd=BASE, start_new_session=True)
        looks = [line.split('"')[1].split(" ", 1) for line in done.stdout.splitlines()
                 if '= "before ' in line or '= "after ' in line]
        check([one[0] for one in looks] == ["before", "after"] and 'sum = "50"' in done.stdout
              and 'engine_call = "4"' in done.stdout, done.stdout + done.stderr)
        check(looks[0][1] == looks[1][1], f"symbols that the process sees: {looks}")
        parts = [os.path.join(BASE, "sock", name) for name in os.listdir(f"{BASE}/sock")
                 if name.startswith(f"bindings-{scope}.")]
        with open(log, "w") as all_of_them:
            for part in parts:
                with open(part, errors="replace") as text:
                    all_of_them.write(text.read())
                os.remove(part)
        verdict = subprocess.run(
            [sys.executable, "../support/bindings.py", log, os.environ["PRICING"],
             os.environ["CLOCK"], "--addon", os.environ["EXTENSION"]],
            capture_output=True, text=True)
        check(verdict.returncode == 0, verdict.stdout + verdict.stderr)
        seen += int(verdict.stdout.split()[0])
    return f"{seen} bindings looked at, local and global: none crosses but the ABI's"


def fork():
    """A fork per connection by a postmaster that has an engine and a plugin
    running, and loaded ones that each backend starts; forks by backends."""
    with Server(preload=True) as server:
        busy = server.session()
        detach(busy, 2500, 16)
        # The clock that the postmaster started says so; its engine starts
        # afresh by policy; the others are the backend's own.
        made = server.bench(
            "\\set n random(0, 1000)\n"
            "SELECT use_plugins(), check_nth(:n), 1 / (engine_latch(:n, 0) = 3 * :n + 1)::int;\n"
            "DO $$ BEGIN PERFORM guest_call('parent', 'health', '{}');\n"
            "RAISE EXCEPTION 'the parent''s engine answered'; EXCEPTION WHEN external_routine_exception\n"
            "THEN IF SQLERRM NOT LIKE '%parent process%' THEN RAISE; END IF; END $$;\n",
            16, 15, "-C")
        right(busy)
        # Children of a backend that has calls in flight: by PostgreSQL's own
        # means (popen), and a bare fork.
        detach(busy, 2500, 16)
        said = busy.ask("COPY (SELECT 7) TO PROGRAM 'cat >/dev/null'")
        for _ in range(10):
            said += busy.ask("COPY (SELECT 7) TO PROGRAM 'cat >/dev/null'")
        check(said == "", said)
        bare = 0
        for plugin, tool, args in (("pricing", "get_product_price", '{"product_id":1}'),
                                   ("clock", "health", "{}")):
            bad = busy.ask(f"SELECT guest_forks('{plugin}', '{tool}', '{args}', 'parent process', 50)")
            check(bad == "0", f"children that did not end as they should: {bad}")
            bare += 50
            right(busy, bare)
        until("the calls in flight end", lambda: busy.ask("SELECT engine_in_flight()") == "0")
        children = open(f"/proc/{busy.pid}/task/{busy.pid}/children").read()
        check(children == "", f"children left: {children}")
    return (f"{made} connections, each a fork of a postmaster with a running engine: its plugin says so, "
            f"its engine starts afresh; {bare} forks and 11 programs of a busy backend")


def exits():
    """Backends leave with calls in flight; then the server, in both ways."""
    left = 0
    with Server() as server:
        for _ in range(2):
            sessions = [server.session() for _ in range(10)]
            for session in sessions:
                detach(session, 60000, 16)
                check(int(session.ask("SELECT engine_in_flight()")) == 16, "in flight")
                session.psql.stdin.close()
            for session in sessions:
                until("the backend has gone", lambda: not alive(session.pid))
                left += 1
            server.sessions.clear()
            for session in sessions:
                session.close()
        right(server.session())
    took = {}
    for name, number in (("fast", signal.SIGINT), ("immediate", signal.SIGQUIT)):
        with Server(preload=True) as server:
            sessions = [server.session() for _ in range(12)]
            for n, session in enumerate(sessions):
                detach(session, 60000, 4)
                session.send(INTERRUPTIBLE[n % 3])
            for session in sessions:
                session.blocked()
            if name == "immediate":  # even in a call that cannot be interrupted
                stuck = server.session()
                stuck.send("SELECT guest_call('clock', 'wait_both', "
                           "'{\"first_ms\":60000,\"second_ms\":1,\"timeout_ms\":60000}')")
                stuck.blocked()
            # A smart part of nothing: WARNINGs go to clients only.
            took[name] = server.stop(number, 25)
            check(server.process.returncode == 0 or name == "immediate",
                  f"{name}: status {server.process.returncode}")
            for session in sessions:
                until("a backend has gone", lambda: not alive(session.pid))
    return (f"{left} backends left with 16 calls of 60 s in flight; servers with 12 backends blocked in calls "
            f"of 60 s stopped: fast in {took['fast']:.2f} s, immediate in {took['immediate']:.2f} s")


def killed():
    """Cancel (SIGINT), terminate (SIGTERM), timeouts (SIGALRM), and a crash."""
    count = 0
    with Server() as server:
        ours = server.session()
        for statement in INTERRUPTIBLE:
            other = server.session()
            other.send("SELECT sum(check_nth(n)) FROM generate_series(1, 200) n")
            session = server.session()
            for _ in range(5):
                session.send(statement)
                session.blocked()
                ours.ask(f"SELECT pg_cancel_backend({session.pid})")
                said = session.answer()
                check(said == CANCELLED, f"{statement}: {said}")
                check(session.ask("SELECT 1") == "1", "after the cancel")
                session.ask("SET statement_timeout = 60")
                said = session.ask(statement)
                check(said == TIMED_OUT, f"{statement}: {said}")
                session.ask("SET statement_timeout = 0")
                count += 2
            right(session)
            session.send(statement)
            session.blocked()
            ours.ask(f"SELECT pg_terminate_backend({session.pid})")
            check(TERMINATED in session.answer(), "terminated")
            until("the backend has gone", lambda: not alive(session.pid))
            check(other.answer() == "200", "calls of another backend")
            count += 1
        # A tool in a plain call: what came meanwhile takes effect as it returns.
        session = server.session()
        wait = "SELECT guest_call('clock', 'wait_both', '{\"first_ms\":400,\"second_ms\":1}')"
        session.send(wait)
        session.blocked()
        ours.ask(f"SELECT pg_cancel_backend({session.pid})")
        check(session.answer() == CANCELLED, "cancel of a plain call")
        session.ask("SET statement_timeout = 60")
        check(session.ask(wait) == TIMED_OUT, "timeout of a plain call")
        session.ask("SET statement_timeout = 0")
        right(session)
        # A backend that is killed: the server restarts all of them.
        server.expected += ["terminated by signal 9", "WARNING:  terminating connection",
                            "exited with exit code 2"]
        detach(session, 60000, 8)
        os.kill(session.pid, signal.SIGKILL)
        check("terminated abnormally" in server.said() or session.ask("SELECT 1") != "1", "killed")
        until("the server takes connections again", server.ready)
        until("and answers", lambda: again(server))
    return f"{count + 2} cancels, timeouts and ends of blocked calls, each by the server's own handler; one crash restart"


def again(server):
    try:
        right(server.session())
        return True
    except Exception:  # still in recovery
        return False


def unload():
    with Server() as server:
        session = server.session()
        times = 20
        for n in range(times):
            detach(session, 30, 16)
            for plugin in ("pricing", "clock"):
                said = session.ask(f"SELECT guest_reload('{plugin}', '{CONFIGURATION}', "
                                   "'{\"max_connections\":3}')")
                other = 2 if plugin == "pricing" else 0
                check(said == f"same, configure 0 and {other}, init 0", f"{plugin}: {said}")
            right(session, n)
        until("the calls in flight end", lambda: session.ask("SELECT engine_in_flight()") == "0")
    return f"{2 * times} times dlclose and dlopen between calls, with 16 calls in flight on the pool: the same instance"


PARTS = {"answers": answers, "loop": loop, "deadlines": deadlines, "untouched": untouched,
         "quiet": quiet, "descriptors": descriptors, "threads": threads, "symbols": symbols,
         "fork": fork, "exit": exits, "killed": killed, "unload": unload}
