"""dlclose with calls in flight: they return right answers; what is loaded again
is the same instance, which takes the configuration it has and no other."""
import _ctypes
import ctypes
import functools
import time

from guest import CLOCK, MEMORY, PRICING, Crowd, Guests, Plugin, Threads, need

ROUNDS, THREADS = 50, 16


def address(plugin):
    return ctypes.addressof(plugin.abi)


def submitted(guests):
    """The engines' own counts: they tell one instance from a fresh one."""
    _, pricing = guests.pricing.call("health", {})
    _, clock = guests.clock.call("health", {})
    return pricing["engine"]["submitted"], clock["submitted"]


def in_flight(guests):
    """THREADS calls that have begun, and end after the plugin is closed."""
    return Threads([functools.partial(guests.wait, 300, i) for i in range(THREADS)])


def others_go_on(guests, others):
    """What is in flight returns, and more, while nothing is open."""
    goal = guests.asked + 2 * THREADS
    while guests.asked < goal and not others.failed:
        time.sleep(0.0005)


def main():
    guests = Guests()
    places = [address(guests.pricing), address(guests.clock)]
    with Crowd(guests, THREADS) as others:
        waiting = in_flight(guests)
        for _ in range(ROUNDS):
            before = submitted(guests)
            _ctypes.dlclose(guests.pricing.library._handle)
            _ctypes.dlclose(guests.clock.library._handle)
            others_go_on(guests, others)
            guests.pricing = pricing = Plugin(PRICING)
            guests.clock = clock = Plugin(CLOCK)
            need([address(pricing), address(clock)] == places, "another instance")
            need(pricing.configure(MEMORY) == 0, "the same configuration is refused")
            need(pricing.configure(dict(MEMORY, max_connections=3)) == 2,
                 "another configuration is taken")
            need(pricing.configure({"max_connections": "3"}) == 1,
                 "a configuration that says nothing is taken")
            pricing.start()
            clock.start()
            after = submitted(guests)
            need(after[0] > before[0] and after[1] > before[1], "its counts began anew")
        waiting.join()
    need(others.asked > ROUNDS, "nobody called meanwhile")
    print(f"closed and loaded {ROUNDS} times with {2 * THREADS} threads calling, "
          f"{guests.asked} right answers; the same instance each time")


main()
