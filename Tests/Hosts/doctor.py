"""The tests behind doctor.sh. With names of SICK_* switches as arguments, only
those plugins are tried, and their reports printed.

Most of a run of the doctor is waiting, so everything here runs in a pool of
JOBS threads; the order in which failures are printed is therefore any."""
import concurrent.futures
import fcntl
import functools
import json
import os
import pty
import random
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

from doctor_sick import Sick, sick_plugins

BUILD = os.environ.get("OB_BUILD", "build")
HOST = os.environ.get("OUTBOARD_HOST", os.path.join(BUILD, "bin/outboard-host"))
CC = os.environ.get("CC", "cc")
WORK = os.environ["DOCTOR_WORK"]
PLUGINS = os.path.join(BUILD, "plugins")
SOURCES = "Tests/Hosts/c"
ABI = "CSources/CPluginABI"
LIMIT = 280  # seconds for any run of the doctor

JOBS = int(os.environ.get("JOBS", "8"))

passed = failed = 0
counting = threading.Lock()


def report(what, good, detail=""):
    global passed, failed
    with counting:
        passed += bool(good)
        failed += not good
        if good:
            return
        print(f"FAILED: {what}")
        for line in str(detail).splitlines()[:60]:
            print(f"  {line}")


def doctor(*operands, environment=None, stdout=subprocess.PIPE, host=HOST):
    return subprocess.run(
        [host, "doctor", *operands], stdin=subprocess.DEVNULL, stdout=stdout,
        stderr=subprocess.PIPE, text=True, timeout=LIMIT,
        env={**os.environ, **(environment or {})})


COMPILE = [CC, "-std=gnu11", "-O0", "-fPIC", "-Wall", "-Wextra", "-Wpedantic",
           "-Werror", "-Wno-unused", "-Wno-unused-parameter",
           "-fvisibility=hidden", f"-I{ABI}/include"]


@functools.lru_cache(None)  # filled before there are threads
def helpers():
    """The objects that every sick plugin has, compiled once."""
    objects = []
    for name in ("mcp_args", "mcp_plugin"):
        objects.append(os.path.join(WORK, name + ".o"))
        subprocess.run([*COMPILE, "-c", "-o", objects[-1],
                        f"{ABI}/src/{name}.c"], check=True)
    return objects


def compile_plugin(name, flags=(), nodelete=True):
    """Returns its path."""
    path = os.path.join(WORK, name + ".so")
    subprocess.run(
        [*COMPILE, "-shared", "-o", path, f"{SOURCES}/sick.c",
         f"{SOURCES}/sick_guest.c", *helpers(), *flags, "-Wl,-z,now",
         "-Wl,-z,relro", *(["-Wl,-z,nodelete"] if nodelete else []),
         "-lpthread"], check=True, stderr=subprocess.PIPE, text=True)
    return path


# --- Sick plugins ------------------------------------------------------------

def make_stubs():
    stub = os.path.join(WORK, "stub")
    os.mkdir(stub)
    for name, code in (("odd", "int odd_thing;"),
                       ("host", "unsigned long uv_hrtime(void){return 1;}")):
        subprocess.run([CC, "-shared", "-fPIC", "-x", "c", "-", "-o",
                        f"{stub}/lib{name}.so"], input=code, text=True,
                       check=True)
    return stub


def faults_of(result):
    return {f"{f['id']} {f['severity']}" for c in result["checks"]
            for f in c["findings"] if f["severity"] in ("fail", "warn")}


def try_sick(sick, name=None, host=HOST):
    """Returns (what is wrong or None, the report)."""
    try:
        path = compile_plugin(
            name or sick.switch, ("-DSICK_" + sick.switch, *sick.flags),
            nodelete=sick.nodelete)
        run = doctor(path, "--json", "--strict", *sick.options,
                     environment=sick.environment, host=host)
    except subprocess.SubprocessError as error:
        return error, getattr(error, "stderr", "")
    try:
        result = json.loads(run.stdout)
    except ValueError as error:
        return f"no JSON ({error}), exit {run.returncode}: {run.stderr}", ""
    wrong = disagreement(result, run.returncode)
    found = faults_of(result)
    if found != sick.faults:
        wrong = f"found {sorted(found)}, not {sorted(sick.faults)}"
    if run.returncode != sick.status:
        wrong = f"exit {run.returncode}, not {sick.status}"
    if run.stderr:
        wrong = f"stderr: {run.stderr}"
    if sick.also and sick.also not in all_findings(result):
        wrong = f"no {sick.also}"
    return wrong, run.stdout


def all_findings(result):
    return {f"{f['id']} {f['severity']}" for c in result["checks"]
            for f in c["findings"]}


ORDER = ["note", "not checked", "warn", "fail"]


def disagreement(result, code):
    """What in the JSON contradicts itself or the exit status, or None."""
    tally = {"pass": 0, "warn": 0, "fail": 0, "not checked": 0}
    for check in result["checks"]:
        worst = max((f["severity"] for f in check["findings"]),
                    key=ORDER.index, default="note")
        if check["result"] != ("pass" if worst == "note" else worst):
            return f"{check['id']}: {check['result']}, but worst is {worst}"
        tally[check["result"]] += 1
        for finding in check["findings"]:
            if not finding["id"].startswith(check["id"] + "."):
                return f"{finding['id']} in {check['id']}"
            if finding["severity"] in ("warn", "fail") and not (
                    finding.get("why") and finding["seen"]):
                return f"{finding['id']} does not say why"
            if finding["severity"] in ("warn", "fail") and not (
                    finding.get("cure")) and finding["id"] != "unload.dlclose":
                return f"{finding['id']} has no cure"
    counts = (result["passed"], result["warned"], result["failed"],
              result["not_checked"])
    if counts != tuple(tally.values()):
        return f"counts {counts}, but {tally}"
    if result["status"] != code:
        return f"status {result['status']}, exit {code}"
    return None


def sick_test(sick, show):
    wrong, text = try_sick(sick)
    report(f"SICK_{sick.switch}: {wrong}", wrong is None, text)
    if show:
        print(text)


def daemons():
    """What SICK_DAEMON left running is gone when the doctor has ended."""
    file = os.path.join(WORK, "daemons")
    wrong, text = try_sick(Sick("DAEMON", "process.left warn",
                                environment={"SICK_DAEMONS": file}))
    with open(file, encoding="ascii") as lines:
        pids = [int(line) for line in lines]
    alive = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    report(f"SICK_DAEMON: {wrong}", wrong is None, text)
    report(f"of {len(pids)} daemons {alive} are left", pids and not alive)


def tests_can_fail():
    """A plugin whose fault is not the expected one, more, less or another, is a
    failed test; so is a doctor that says nothing."""
    for name, sick in (
            ("a fault that is not there", Sick("HEALTHY", "memory.leak fail",
                                               options=("--only", "memory"))),
            ("a fault too many", Sick("LEAK", status=1,
                                      options=("--only", "memory"))),
            ("another severity", Sick("LEAK", "memory.leak warn",
                                      options=("--only", "memory"))),
            ("another status", Sick("LEAK", "memory.leak fail", status=4,
                                    options=("--only", "memory"))),
            ("a note that is not there", Sick("HEALTHY", status=0, also="x",
                                              options=("--only", "file")))):
        wrong, text = try_sick(sick, name.replace(" ", "_"))
        report(f"the tests notice {name}", wrong is not None, text)
    wrong, text = try_sick(Sick("HEALTHY", status=0), "silent", host="/bin/true")
    report("the tests notice a silent doctor", wrong is not None, text)


# --- Our own plugins ---------------------------------------------------------

OWN = [("clock.so",), ("pricing.so",),
       ("clock.so", "--tool", "wait_both", "--args",
        '{"first_ms":1,"second_ms":2}', "--vary", "--config",
        '{"timeout_ms":20000}'),
       ("pricing.so", "--tool", "search_products", "--args",
        '{"query":"e"}', "--config", '{"database_url":"sqlite::memory:"}',
        "--bad-config", '{"database_url":"sqlite:/nowhere/p.db"}')]


def own_plugin(name, *options):
    run = doctor(os.path.join(PLUGINS, name), "--strict", "--json", *options)
    what = f"{name} {' '.join(options)} passes with --strict"
    try:
        result = json.loads(run.stdout)
    except ValueError:
        report(what, False, run.stdout + run.stderr)
        return
    report(what, run.returncode == 0 and not faults_of(result) and
           disagreement(result, 0) is None, run.stdout)
    checks = doctor("--list").stdout.split("\n")[:-1]
    report(f"{name}: every check was looked at",
           result["not_checked"] == 0 and result["passed"] == len(checks) == 22,
           run.stdout)


# --- Usage and output --------------------------------------------------------

def expect(status, stream, text, *operands):
    run = doctor(*operands)
    output = run.stdout if stream == "out" else run.stderr
    good = run.returncode == status and text in output
    if stream == "err":
        good = good and output.startswith("outboard-host: ") and not run.stdout
    report(f"exit {status}, '{text}': doctor {' '.join(operands)}", good,
           f"exit {run.returncode}\n{run.stdout}\n{run.stderr}")


def usage(good):
    run = subprocess.run([HOST, "--help"], stdout=subprocess.PIPE, text=True)
    report("--help", run.returncode == 0 and "doctor" in run.stdout)
    run = subprocess.run([HOST, "--version"], stdout=subprocess.PIPE, text=True)
    report("--version", run.stdout.startswith("outboard-host 0."))
    for operands in ([], ["cure"], ["child", "9"]):
        run = subprocess.run([HOST, *operands], capture_output=True, text=True)
        report(f"usage: {operands}", run.returncode == 2 and
               run.stderr.startswith("outboard-host: "), run.stderr)
    expect(0, "out", "Exit codes:", "--help")
    expect(0, "out", "concurrency", "--list")
    expect(2, "err", "which plugin?")
    expect(2, "err", "too many operands: 'b'", "a", "b")
    expect(2, "err", "unknown or ambiguous option '--nonsense'", "--nonsense")
    expect(2, "err", "--config needs a value", good, "--config")
    expect(2, "err", "--only: there is no check 'health'", good, "--only",
           "list,health")
    expect(2, "err", "--skip: there is no check ''", good, "--skip", "list,")
    expect(2, "err", "leave no check to run", good, "--only", "list",
           "--skip", "list")
    expect(2, "err", "--args needs a --tool", good, "--args", "{}")
    for number in ("1", "257", "x", "-2", ""):
        expect(2, "err", f"--threads: '{number}' is not a number", good,
               "--threads", number)
    expect(2, "err", "--timeout: '3' is not a number", good, "--timeout", "3")
    expect(3, "err", "--config is not JSON", good, "--config", "{")
    expect(3, "err", "--args must be a JSON object", good, "--tool", "t",
           "--args", "[]")
    expect(3, "err", "cannot read /nowhere.json", good, "--bad-config",
           "@/nowhere.json")
    expect(4, "err", "cannot load /nowhere.so: No such file", "/nowhere.so")
    expect(4, "err", "not a regular file", WORK)
    with open("/dev/full", "w", encoding="utf-8") as full:
        run = doctor(good, "--only", "file", stdout=full)
    report("a full disk is exit status 10", run.returncode == 10, run.stderr)


def output(good, warns):
    run = doctor(warns)
    table = dict(re.findall(
        r"^  ([a-z]+) +(pass|warn|fail|not checked) ", run.stdout, re.M))
    result = json.loads(doctor(warns, "--json").stdout)
    report("table and JSON agree",
           table == {c["id"]: c["result"] for c in result["checks"]},
           run.stdout)
    report("warnings alone are success", run.returncode == 0 and
           "\nwarn exports.extra\n" in run.stdout and "  cure  " in run.stdout,
           run.stdout)
    report("with --strict they are not",
           doctor(warns, "--strict", "--only", "exports").returncode == 1)
    long = [line for line in run.stdout.splitlines()
            if len(line) > 80 and " " in line]
    report("the table keeps to 80 columns", not long, "\n".join(long))
    report("no colours in a file", "\x1b" not in run.stdout, run.stdout)
    result = json.loads(doctor(good, "--json", "--only", "list,memory").stdout)
    report("--only", [c["id"] for c in result["checks"]] == ["list", "memory"])
    result = json.loads(doctor(good, "--json", "--skip", "fork,exit",
                               "--only", "fork,exit,file").stdout)
    report("--skip", [c["id"] for c in result["checks"]] == ["file"])
    result = json.loads(doctor(good, "--json", "--only", "concurrency",
                               "--tool", "need", "--args", "{}").stdout)
    report("a tool that cannot be called is said not to be checked",
           result["tool"] == "need" and result["status"] == 0, result)
    name = os.path.join(WORK, "a name, with 'quotes' & \u00e4.so")
    os.link(good, name)
    result = json.loads(doctor(name, "--json", "--only", "load").stdout)
    report("any file name", result["plugin"].endswith("\u00e4.so"), result)


def on_terminal(columns, *operands, environment=None):
    """What a run prints on a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                struct.pack("HHHH", 40, columns, 0, 0))
    run = subprocess.Popen([HOST, "doctor", *operands], stdout=theirs,
                           stderr=theirs, stdin=subprocess.DEVNULL,
                           env={**os.environ, "TERM": "xterm",
                                **(environment or {})})
    os.close(theirs)
    text = b""
    while True:
        try:
            text += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    run.wait(LIMIT)
    return text.decode().replace("\r\n", "\n")


COLOUR = re.compile("\x1b\\[[0-9;]*m")


def terminal(warns):
    odd = compile_plugin("odd", ("-DSICK_LIST_NAME",))
    text = on_terminal(66, warns, "--only", "exports")
    report("colour and progress on a terminal", "\x1b[33mwarn" in text and
           "\r\x1b[K[2/22] exports" in text, repr(text))
    lines = COLOUR.sub("", text.split("\x1b[K")[-1]).split("\n")
    report("the terminal's width is kept", 60 < max(map(len, lines[1:])) <= 66,
           text)
    text = on_terminal(66, warns, "--only", "exports",
                       environment={"NO_COLOR": "1"})
    report("NO_COLOR", "warn" in text and not COLOUR.search(text), repr(text))
    text = on_terminal(80, odd, "--only", "list")
    report("escape sequences of a plugin do not reach the terminal",
           "?[31mred" in text and "\x1b[31m" not in text, repr(text))


# --- Files that are no plugins -----------------------------------------------

STATIC = "file,exports,imports,needed,image"


def write(name, data):
    path = os.path.join(WORK, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def hostile(good):
    with open(good, "rb") as file:
        whole = file.read()

    def cut(at, value):
        return whole[:at] + value + whole[at + len(value):]

    cases = [("empty", b"", "not an ELF file"),
             ("text", b"hello, world", "not an ELF file"),
             ("short", whole[:40], "shorter than an ELF header"),
             ("bits", cut(4, b"\x01"), "not of 64 bits"),
             ("endian", cut(5, b"\x02"), "big-endian"),
             ("machine", cut(18, b"\xf3\x00"), "another kind of processor"),
             ("executable", cut(16, b"\x02\x00"), "an executable"),
             ("object", cut(16, b"\x01\x00"), "an object file"),
             ("core", cut(16, b"\x04\x00"), "a core dump"),
             ("headers", cut(32, b"\xff" * 8), "outside the file"),
             ("entries", cut(54, b"\x01\x00"), "wrong size"),
             ("half", whole[:len(whole) // 3], "outside the file")]
    for name, data, text in cases:
        run = doctor(write(name + ".elf", data), "--json")
        try:
            result = json.loads(run.stdout)
            fault = result["checks"][0]["findings"][0]
        except (ValueError, IndexError):
            report(f"{name}: JSON", False, run.stdout + run.stderr)
            continue
        report(f"{name} is named", run.returncode == 4 and
               fault["id"] == "file.format" and text in fault["seen"] and
               disagreement(result, 4) is None, run.stdout)
    run = doctor(os.path.realpath(HOST), "--only", "file")
    report("an executable is named", run.returncode == 4 and
           "it is an executable (PIE)" in run.stdout, run.stdout)


SHARES = 3


def fuzz(good, share):
    """Bytes of headers, dynamic section and symbol tables at random: whatever
    the file says, the reader comes to its end by itself."""
    with open(good, "rb") as file:
        whole = file.read()
    seed = int(os.environ.get("SEED", "1"))
    rounds = int(os.environ.get("FUZZ", "150"))
    dynamic = whole.find(b"plugin_declaration")
    wrong = ""
    for i in range(share, rounds, SHARES):
        source = random.Random(seed * 100000 + i)
        data = bytearray(whole)
        regions = [(0, 64), (64, 64 + 11 * 56), (64 + 11 * 56, dynamic + 256),
                   (0, len(data))]
        for _ in range(source.choice((1, 3, 20))):
            low, high = source.choice(regions)
            at = source.randrange(low, high)
            data[at] = source.choice((0, 255, 127, 128, source.randrange(256)))
        if source.random() < 0.2:
            del data[source.randrange(64, len(data)):]
        path = write(f"fuzz{share}.elf", data)
        run = doctor(path, "--json", "--only", "file,exports,image")
        result = json.loads(run.stdout)
        ends = [f["id"] for c in result["checks"] for f in c["findings"]
                if f["id"].split(".")[1] in ("crash", "timeout", "exited")]
        if ends or run.returncode not in (0, 1, 4) or run.stderr:
            wrong = f"seed {seed}, round {i}: {ends} {run.stderr}"
            break
    report(f"broken files, share {share}: {wrong}", not wrong)


def main():
    only = [a.removeprefix("SICK_") for a in sys.argv[1:]]
    begin = time.monotonic()
    helpers()
    sick = [s for s in sick_plugins(make_stubs())
            if not only or s.switch in only]
    sick.sort(key=lambda s: "--timeout" not in s.options)  # the longest first
    tasks = [functools.partial(sick_test, s, only) for s in sick]
    if not only:
        good = compile_plugin("good", ())
        warns = compile_plugin("warns", ("-DSICK_EXPORTS_EXTRA",))
        tasks = [*(functools.partial(own_plugin, *o) for o in OWN),
                 *(functools.partial(fuzz, good, i) for i in range(SHARES)),
                 functools.partial(usage, good),
                 functools.partial(output, good, warns),
                 functools.partial(terminal, warns),
                 functools.partial(hostile, good), tests_can_fail, daemons, *tasks]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for task in [pool.submit(t) for t in tasks]:
            task.result()
    print(f"doctor: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    print(f"doctor: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
