"""The plugins, by ctypes, and what their answers must be. No tests in here.

Load with load_both(); ask() calls a tool of either plugin with arguments made
from a number and compares the answer with what these arguments demand.
"""
import ctypes
import json
import os
import threading

PRICING, CLOCK = os.environ["PRICING"], os.environ["CLOCK"]
MEMORY = {"database_url": "sqlite::memory:", "max_connections": 4}
FORKED = "engine belongs to the parent process"

# What the plugin puts into an empty database; prices as JSON writes them.
PRODUCTS = {
    1: ("Espresso Machine", "449.95"),
    2: ("Coffee Grinder", "129.1"),
    3: ("Gooseneck Kettle", "79.99"),
    4: ("Digital Scale", "24.5"),
    5: ("Paper Filters", "0.07"),
    6: ("Milk Pitcher", "18"),
    7: ("100% Arabica Beans", "13.37"),
    8: ("Tamper_58", "32.25"),
    9: ("Plantation Futures", "1234567890123456.789012345678"),
    2**63 - 1: ("Last Product", "0.1"),
}
IDS = list(PRODUCTS)


class Wrong(Exception):
    """An answer that its arguments do not demand, or a promise broken."""


def need(condition, text):
    """assert, but with -O too, and with words."""
    if not condition:
        raise Wrong(text)


BUFFER = ctypes.POINTER(ctypes.c_uint8)
OUT = ctypes.POINTER(BUFFER)
SIZE = ctypes.POINTER(ctypes.c_size_t)
CODE, BYTES, LENGTH = ctypes.c_int32, ctypes.c_char_p, ctypes.c_size_t


class Declaration(ctypes.Structure):
    """mcp_plugin.h; ctypes lets go of the GIL during each call."""

    _fields_ = [
        ("api_version", ctypes.c_char_p),
        ("list_tools", ctypes.CFUNCTYPE(CODE, OUT, SIZE)),
        ("execute_tool", ctypes.CFUNCTYPE(CODE, BYTES, BYTES, LENGTH, OUT, SIZE)),
        ("free_string", ctypes.CFUNCTYPE(None, BUFFER, LENGTH)),
        ("configure", ctypes.CFUNCTYPE(CODE, BYTES, LENGTH)),
        ("init", ctypes.CFUNCTYPE(CODE, OUT, SIZE)),
        ("get_config_schema", ctypes.CFUNCTYPE(CODE, OUT, SIZE)),
        ("list_resources", ctypes.CFUNCTYPE(CODE, OUT, SIZE)),
        ("read_resource", ctypes.CFUNCTYPE(CODE, BYTES, LENGTH, OUT, SIZE)),
        ("list_resource_templates", ctypes.CFUNCTYPE(CODE, OUT, SIZE)),
    ]


class Plugin:
    """One plugin of the ABI in mcp_plugin.h."""

    def __init__(self, path, mode=ctypes.DEFAULT_MODE):
        self.library = ctypes.CDLL(path, mode=mode)
        self.abi = Declaration.in_dll(self.library, "plugin_declaration")
        need(self.abi.api_version == b"0.5.0", f"{path}: {self.abi.api_version}")

    def _answer(self, function, *arguments):
        """(code, bytes or None); the buffer goes back with its exact pair."""
        buffer, length = BUFFER(), ctypes.c_size_t(0)
        code = function(*arguments, ctypes.byref(buffer), ctypes.byref(length))
        if not buffer:
            return code, None
        body = ctypes.string_at(buffer, length.value)
        self.abi.free_string(buffer, length.value)
        return code, body

    def configure(self, configuration):
        text = json.dumps(configuration).encode()
        return self.abi.configure(text, len(text))

    def start(self, configuration=None):
        """configure, where there is one, and init."""
        if configuration is not None:
            need(self.configure(configuration) == 0, "configure failed")
        code, body = self._answer(self.abi.init)
        need(code == 0, f"init: {code} {body}")
        return self

    def tools(self):
        code, body = self._answer(self.abi.list_tools)
        need(code == 0, f"list_tools: {code}")
        return [tool["name"] for tool in json.loads(body)]

    def call(self, tool, arguments):
        """(code, object); decimals stay text, so that no digit is lost."""
        text = json.dumps(arguments).encode()
        code, body = self._answer(self.abi.execute_tool, tool.encode(), text, len(text))
        need(body is not None, f"{tool}: code {code} without a body")
        return code, json.loads(body, parse_float=str)


class Guests:
    """Both plugins, and a count of what was asked of them."""

    def __init__(self, configuration=MEMORY, mode=ctypes.DEFAULT_MODE):
        self.pricing = Plugin(PRICING, mode).start(configuration)
        self.clock = Plugin(CLOCK, mode).start()
        self._lock = threading.Lock()
        self.asked = 0

    def count(self):
        with self._lock:
            self.asked += 1

    def price(self, number):
        """get_product_price of one of the products, or of one that is none."""
        wanted = IDS[number % 10] if number % 11 else 1000 + number
        code, body = self.pricing.call("get_product_price", {"product_id": wanted})
        self.count()
        if wanted not in PRODUCTS:
            want = (1, {"error": f"Product {wanted} not found"})
            need((code, body) == want, f"product {wanted}: {code} {body}")
            return
        name, price = PRODUCTS[wanted]
        got = (code, body.get("id"), body.get("name"), str(body.get("price")))
        need(got == (0, wanted, name, price), f"product {wanted}: {code} {body}")

    def search(self, number):
        """search_products by the whole name: that product and no other."""
        wanted = IDS[number % 10]
        code, body = self.pricing.call("search_products", {"query": PRODUCTS[wanted][0]})
        self.count()
        need(code == 0, f"search: {code} {body}")
        found = [product["id"] for product in body.get("products", ())]
        need(found == [wanted] and body.get("count") == 1, f"search {wanted}: {body}")

    def wait(self, first, second):
        """wait_both; it takes the longer of both, and says both again."""
        code, body = self.clock.call("wait_both", {"first_ms": first, "second_ms": second})
        self.count()
        got = (code, body.get("first_ms"), body.get("second_ms"))
        need(got == (0, first, second), f"wait {first}, {second}: {code} {body}")
        need(body.get("elapsed_ms", -1) >= max(first, second), f"wait: {body}")

    def health(self):
        for plugin in (self.pricing, self.clock):
            code, body = plugin.call("health", {})
            self.count()
            need(code == 0 and body.get("status") == "ok", f"health: {code} {body}")

    def errors(self):
        """Wrong tools and arguments: code 1, and a body that says what."""
        for plugin, tool, arguments, text in (
            (self.pricing, "nonsense", {}, "Unknown tool: nonsense"),
            (self.clock, "nonsense", {}, "nonsense"),
            (self.pricing, "get_product_price", {}, "product_id is missing"),
            (self.pricing, "get_product_price", {"product_id": "1"}, "product_id must be"),
            (self.clock, "wait_both", {"first_ms": 1}, "must be 0 to 60000"),
            (self.clock, "wait_both", {"first_ms": -1, "second_ms": 1}, "must be 0 to"),
        ):
            code, body = plugin.call(tool, arguments)
            self.count()
            need(code == 1 and text in body.get("error", ""), f"{tool} {arguments}: {code} {body}")

    def ask(self, number):
        """One call of many kinds; the number decides, and is in the answer."""
        kind = number % 4
        if kind == 0:
            self.wait(number % 7, number % 5)
        elif kind == 1:
            self.search(number)
        else:
            self.price(number)


class Threads:
    """A thread for each of the bodies, begun; what one raises, join() raises."""

    def __init__(self, bodies):
        self.failed = []
        self.threads = [threading.Thread(target=self._run, args=(body,)) for body in bodies]
        for thread in self.threads:
            thread.start()

    def _run(self, body):
        try:
            body()
        except BaseException as error:  # a thread's end must not be silent
            self.failed.append(error)

    def join(self):
        for thread in self.threads:
            thread.join()
        if self.failed:
            raise self.failed[0]


class Crowd:
    """Threads that ask until they are told to stop; what went wrong is kept."""

    def __init__(self, guests, threads=16, ask=None, daemon=False):
        self.ask = ask or guests.ask
        self.asked = 0
        self.failed = []
        self.over = threading.Event()
        self.begun = threading.Barrier(threads + 1)
        self.threads = [
            threading.Thread(target=self._run, args=(i,), daemon=daemon)
            for i in range(threads)
        ]
        self._lock = threading.Lock()

    def _run(self, begin):
        mine, number = 0, begin * 1009
        try:
            self.begun.wait()
            while not self.over.is_set():
                self.ask(number)
                number += 1
                mine += 1
        except BaseException as error:  # a thread's end must not be silent
            self.failed.append(error)
        with self._lock:
            self.asked += mine

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.begun.wait()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if self.failed:
            raise self.failed[0]


class Manners:
    """libmanners.so: what belongs to the process, as text."""

    def __init__(self):
        self.library = ctypes.CDLL(os.environ["MANNERS"])
        for name in ("state", "descriptors", "threads", "difference", "file_of"):
            getattr(self.library, "manners_" + name).restype = ctypes.c_void_p
        self.library.manners_global.restype = ctypes.c_ulong
        self.library.manners_global.argtypes = [ctypes.c_char_p]
        self.library.manners_file_of.argtypes = [ctypes.c_ulong]
        self.library.manners_free.argtypes = [ctypes.c_void_p]

    def _text(self, address):
        need(address, "libmanners has no memory")
        text = ctypes.string_at(address).decode()
        self.library.manners_free(address)
        return text

    def state(self):
        return self._text(self.library.manners_state())

    def descriptors(self):
        return self._text(self.library.manners_descriptors())

    def threads(self):
        """{id: (name, mask)}"""
        lines = self._text(self.library.manners_threads()).splitlines()
        split = [(line.split(" ", 1)[0], line.rsplit(" ", 1)) for line in lines]
        return {int(i): (left.split(" ", 1)[1], mask) for i, (left, mask) in split}

    def difference(self, before, after):
        return self._text(self.library.manners_difference(before.encode(), after.encode()))

    def address(self, symbol):
        return self.library.manners_global(symbol.encode())

    def file_of(self, address):
        return self._text(self.library.manners_file_of(address))
