"""A PostgreSQL server of a test's own, and sessions with it through psql.

The server runs as an unprivileged user on a Unix-domain socket in a temporary
folder, never on a cluster of the system's. It ends with this process, however
that ends (setpriv --pdeathsig).
"""
import os
import select
import signal
import subprocess
import time

BIN = os.environ["PGBIN"]
BASE = os.environ["PGBASE"]  # data, sock, and copies of what the server loads
DROP = os.environ["PGDROP"].split()  # setpriv and its options, if we are root
LIMIT = 40  # seconds that anything here may take: far longer than it does
PATIENCE = int(os.environ.get("PATIENCE", LIMIT))  # the same for one answer


class Failed(Exception):
    """What a check found."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def until(what, condition, seconds=PATIENCE):
    """Waits for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.01)


def status(pid, field):
    """A line of /proc/PID/status; None when the process has gone."""
    try:
        with open(f"/proc/{pid}/status") as lines:
            for line in lines:
                if line.startswith(field + ":"):
                    return line.split(":", 1)[1].strip()
    except (FileNotFoundError, ProcessLookupError):
        pass
    return None


def alive(pid):
    state = status(pid, "State")
    return state is not None and not state.startswith("Z")


class Server:
    """with Server(preload=True) as server: ..."""

    def __init__(self, preload=False, **environment):
        self.preload = preload
        self.environment = environment
        self.log = os.path.join(BASE, "log")
        self.expected = []  # what else may stand in the log
        self.sessions = []

    def start(self):
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f"{BASE}/sock",
            "max_connections": "64",
            "fsync": "off",
            "autovacuum": "off",
            "shared_buffers": "16MB",
            "dynamic_shared_memory_type": "mmap",
            "log_line_prefix": "server|",
            "log_min_messages": "warning",
            "log_min_error_statement": "panic",
            "guest.pricing": os.environ["PRICING"],
            "guest.clock": os.environ["CLOCK"],
            "guest.parent": f"{BASE}/parent.so",
        }
        if self.preload:
            settings["shared_preload_libraries"] = os.environ["EXTENSION"]
        command = DROP + [f"{BIN}/postgres", "-D", f"{BASE}/data"]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=BASE, env={**os.environ, **self.environment}, start_new_session=True,
            )
        self.pid = self.process.pid
        until("the server is there", lambda: self.process.poll() is not None or self.ready(), LIMIT)
        check(self.process.poll() is None, "the server ended: " + self.said())
        return self

    def ready(self):
        return subprocess.run([f"{BIN}/pg_isready", "-q", "-h", f"{BASE}/sock"]).returncode == 0

    def said(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def set_up(self):
        self.psql("-v", f"ext={os.environ['EXTENSION']}", "-f", "setup.sql")

    def psql(self, *arguments, limit=LIMIT):
        """One psql that runs to its end."""
        done = subprocess.run(
            [f"{BIN}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
             "-h", f"{BASE}/sock", "-U", "guest", "-d", "postgres", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit,
        )
        check(done.returncode == 0, f"psql: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def session(self, plugins=True):
        session = Session(self)
        self.sessions.append(session)
        if plugins:
            check(session.ask("SELECT use_plugins()") == "", "plugins do not load")
        return session

    def bench(self, script, clients, each, *options):
        """pgbench: so many clients at once; an error of SQL fails it."""
        path = os.path.join(BASE, "script.sql")
        with open(path, "w") as file:
            file.write(script)
        done = subprocess.run(
            [f"{BIN}/pgbench", "-n", "-h", f"{BASE}/sock", "-U", "guest", "-f", path,
             "-c", str(clients), "-j", "2", "-t", str(each), *options, "postgres"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
        )
        total = f"{clients * each}/{clients * each}"
        check(
            done.returncode == 0 and f"processed: {total}" in done.stdout,
            f"pgbench: {done.stdout[-600:]}{done.stderr[-600:]}",
        )
        return clients * each

    def stop(self, number=signal.SIGINT, limit=LIMIT):
        """Fast (SIGINT), smart (SIGTERM) or immediate (SIGQUIT); seconds."""
        begin = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"the server does not stop: {self.said()[-800:]}") from None
        return time.monotonic() - begin

    def __enter__(self):
        self.start()
        try:
            self.set_up()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.kill()
            return
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            self.kill()
        self.check_log()

    def kill(self):
        for session in self.sessions:
            session.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(15)  # it kills what does not go after 5 s
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def check_log(self):
        """Nothing but the server's own lines, and of these no surprise."""
        for line in self.said().splitlines():
            own = line.startswith(("server|", "\t"))
            check(own, f"in the server's log: {line}")
            usual = ("server|LOG:", "server|ERROR:", "server|FATAL:", "server|DETAIL:",
                     "server|HINT:", "server|CONTEXT:", "\t")
            fault = ("terminated by signal" in line or "exited with exit code" in line)
            fault = fault and "logical replication launcher" not in line  # its usual end
            if not line.startswith(usual) or fault:
                check(any(text in line for text in self.expected), f"in the log: {line}")


class Session:
    """A backend, through a psql of its own."""

    def __init__(self, server):
        self.buffer = ""
        self.psql = subprocess.Popen(
            ["stdbuf", "-oL", f"{BIN}/psql", "-X", "-q", "-A", "-t", "-v", "VERBOSITY=terse",
             "-h", f"{BASE}/sock", "-U", "guest", "-d", "postgres"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self.pid = int(self.ask("SELECT pg_backend_pid()"))

    def send(self, sql):
        """Begins; answer() waits for its end."""
        self.psql.stdin.write(f"{sql};\n\\echo -end-\n".encode())
        self.psql.stdin.flush()

    def answer(self, limit=PATIENCE):
        end = time.monotonic() + limit
        while "-end-\n" not in self.buffer:
            ready, _, _ = select.select([self.psql.stdout], [], [], max(0, end - time.monotonic()))
            check(ready, f"no answer within {limit} s; so far: {self.buffer}")
            data = os.read(self.psql.stdout.fileno(), 1 << 16)
            if not data:  # psql has ended: the connection was lost
                said, self.buffer = self.buffer, ""
                return said.strip()
            self.buffer += data.decode()
        said, self.buffer = self.buffer.split("-end-\n", 1)
        return said.strip()

    def ask(self, sql, limit=PATIENCE):
        self.send(sql)
        return self.answer(limit)

    def blocked(self):
        """Waits until the statement sent is under way, and returns self."""
        until("the backend waits", lambda: (status(self.pid, "State") or "").startswith("S")
              and active(self.pid))
        return self

    def close(self):
        if self.psql.poll() is None:
            try:
                self.psql.stdin.close()
            except OSError:
                pass
            try:
                self.psql.wait(0.2)
            except subprocess.TimeoutExpired:
                self.psql.kill()
                self.psql.wait()
        self.psql.stdout.close()


def active(pid):
    """Whether a backend runs a statement: its title says so."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as title:
            return b" SELECT" in title.read()
    except (FileNotFoundError, ProcessLookupError):
        return False
