"""The deliberately sick plugins of doctor.py: each is c/sick.c with one switch,
and the faults that the doctor must find in it, all of them and no others."""


class Sick:
    """A switch, the findings that fail or warn, and how to build and run it.

    `faults` are all the findings of severity fail or warn, as 'id severity'.
    """

    def __init__(self, switch, *faults, status=1, flags=(), options=(),
                 nodelete=True, environment=None, also=None):
        self.switch, self.faults, self.status = switch, set(faults), status
        self.flags, self.options, self.nodelete = flags, options, nodelete
        self.environment, self.also = environment, also


SHORT = ("--timeout", "5")
CONFIG = ("--config", '{"limit":2}')


def sick_plugins(stub):
    """stub: a folder with libodd.so, and libabsent.so without its file."""
    odd = (f"-L{stub}", "-Wl,--no-as-needed", "-lodd")
    return [
        Sick("HEALTHY", status=0),
        Sick("HEALTHY_CONFIGURED", status=0, options=CONFIG),
        Sick("HEALTHY_SAME", status=0, options=CONFIG),
        # What the file says.
        Sick("EXPORTS_FOREIGN", "exports.foreign fail"),
        Sick("EXPORTS_EXTRA", "exports.extra warn"),
        Sick("UNDEFINED", "imports.undefined fail",
             "imports.captured warn",
             environment={"LD_PRELOAD": f"{stub}/libhost.so"}),
        Sick("UNDEFINED_ALONE", "imports.undefined fail",
             "imports.captured warn", "load.dlopen fail", status=4,
             flags=("-DSICK_UNDEFINED",)),
        Sick("NEEDS_LIBRARY", "needed.library warn", flags=odd,
             environment={"LD_LIBRARY_PATH": stub}),
        Sick("NEEDS_MISSING", "needed.library warn", "needed.missing fail",
             "load.dlopen fail", flags=odd, status=4),
        Sick("TEXTREL", "image.textrel fail", flags=("-Wl,-z,notext",)),
        Sick("EXECSTACK", "image.execstack fail",
             flags=("-Wl,-z,execstack",)),
        Sick("RUNPATH", "image.runpath fail", flags=("-Wl,-rpath,.",)),
        Sick("STATIC_TLS", "image.statictls warn"),
        # Loading and the declaration.
        Sick("LOAD_CRASH", "load.crash fail", status=4),
        Sick("LOAD_EXIT", "load.exited fail", status=4),
        Sick("LOAD_HANG", "load.timeout fail", status=4, options=SHORT),
        Sick("SYMBOL", "load.symbol fail", status=4),
        Sick("FUNCTION", "declaration.type fail"),
        Sick("VERSION", "declaration.version fail"),
        Sick("VERSION_NULL", "declaration.version fail"),
        Sick("VERSION_WILD", "declaration.version fail"),
        Sick("VERSION_NEW", "declaration.newer warn"),
        Sick("SHORT", "declaration.short fail"),
        Sick("OLD", "declaration.short warn"),
        Sick("MISSING", "declaration.missing fail"),
        Sick("POINTER", "declaration.pointer fail"),
        # Lists and configuration.
        Sick("LIST_TEXT", "list.json fail"),
        Sick("LIST_OBJECT", "list.array fail"),
        Sick("LIST_TWICE", "list.twice fail"),
        Sick("LIST_SCHEMA", "list.schema fail"),
        Sick("LIST_REQUIRED", "list.required warn"),
        Sick("LIST_CHANGES", "list.changes warn"),
        Sick("LIST_LATE", "list.refused fail", options=CONFIG),
        Sick("SCHEMA", "list.answer fail"),
        Sick("CONFIGURE_ALL", "configure.accepts fail",
             "configure.accepts warn"),
        Sick("CONFIGURE_CRASH", "configure.crash fail"),
        Sick("CONFIGURE_NULL", "configure.crash fail"),
        Sick("CONFIGURE_ONCE", "configure.twice fail",
             flags=("-DSICK_CONFIGURE_ONCE",)),
        Sick("CONFIGURE_LOOSE", "configure.accepts warn"),
        Sick("CONFIGURE_AGAIN", "configure.replaced fail"),
        # Starting.
        Sick("INIT_CRASH", "start.crash fail"),
        Sick("INIT_HANG", "start.timeout fail", options=SHORT),
        Sick("INIT_NEEDS_CONFIG", "start.init warn"),
        Sick("INIT_NEEDS_CONFIG_GIVEN", status=0, options=CONFIG,
             flags=("-DSICK_INIT_NEEDS_CONFIG",)),
        Sick("REFUSAL_ABORT", "failure.crash fail"),
        Sick("REFUSAL_TEXT", "failure.body fail"),
        Sick("FEW_ABORT", "failure.crash fail"),
        # Answers.
        Sick("UNKNOWN_GOOD", "answers.unknown fail"),
        Sick("UNKNOWN_UNNAMED", "answers.unnamed warn"),
        Sick("ERROR_TEXT", "answers.error fail"),
        Sick("ERROR_UNQUOTED", "answers.error fail"),
        Sick("NEEDS_NOTHING", "answers.required warn"),
        Sick("ANSWER_TEXT", "answers.json fail"),
        Sick("ANSWER_BYTES", "answers.json fail"),
        Sick("ANSWER_NONE", "answers.json fail"),
        Sick("OVERREAD", "answers.crash fail"),
        Sick("RECURSES", "answers.crash fail"),
        # Memory.
        Sick("LEAK", "memory.leak fail"),
        Sick("LEAK_ERROR", "memory.leak fail"),
        Sick("LEAK_LIST", "memory.leak fail"),
        Sick("DOUBLE_FREE", "memory.badfree fail"),
        Sick("ANSWER_STATIC", "memory.badfree fail"),
        Sick("ANSWER_SHARED", "memory.shared fail"),
        # Threads, the process, its streams and descriptors.
        Sick("LOAD_THREAD", "threads.load warn"),
        Sick("THREAD_OPEN", "threads.signals warn"),
        Sick("THREAD_FAULTS", "threads.faults fail"),
        Sick("BURN", "threads.burns fail"),
        Sick("WAKES", "threads.wakes warn"),
        Sick("MULTIPLY", "threads.multiply fail"),
        Sick("LOAD_SIGPIPE", "process.signals fail"),
        Sick("SIGCHLD", "process.signals fail"),
        Sick("SETENV", "process.environment fail"),
        Sick("CHDIR", "process.cwd fail"),
        Sick("UMASK", "process.umask fail"),
        Sick("LOCALE", "process.locale fail"),
        Sick("RLIMIT", "process.rlimit fail"),
        Sick("SIGMASK", "process.mask fail"),
        Sick("NAME", "process.other fail"),
        Sick("FAST_MATH", "process.float fail", flags=("-ffast-math",)),
        Sick("ROUNDING", "process.float fail"),
        Sick("LOAD_PRINTS", "output.stdout fail"),
        Sick("INIT_PRINTS", "output.stderr warn"),
        Sick("CALL_PRINTS", "output.stdout fail"),
        Sick("EXIT_PRINTS", "output.stdout fail"),
        Sick("INHERITED", "descriptors.inherited fail"),
        Sick("CLOSES", "descriptors.closed fail"),
        Sick("CLOSES_STDOUT", "descriptors.closed fail"),
        Sick("FD_LEAK", "descriptors.leak fail"),
        # Many threads, forks, leaving.
        Sick("RACE", "concurrency.wrong fail"),
        Sick("STUCK", "concurrency.stuck fail",
             options=("--only", "concurrency", "--timeout", "8")),
        Sick("SERIAL", status=0, options=("--only", "concurrency"),
             also="concurrency.serial note"),
        Sick("FORK_HANG", "fork.hang fail", options=("--timeout", "12")),
        Sick("FORK_CRASH", "fork.crash fail"),
        Sick("FORK_EXIT", "fork.hang fail", options=("--timeout", "12")),
        Sick("EXIT_CRASH", "exit.crash fail"),
        Sick("EXIT_HANG", "exit.timeout fail", options=SHORT),
        Sick("EXIT_STATUS", "exit.status fail"),
        Sick("UNLOAD_THREAD", "unload.crash fail", nodelete=False),
        Sick("INIT_ONCE", "unload.init fail"),
        Sick("RESTART_LEAK", "restart.leak fail"),
    ]
