/**
 * dlclose with calls in flight: they return right answers; what is loaded again is the same
 * instance, which takes the configuration it has and no other.
 */
final class Unload {
  private Unload() {}

  private static final int ROUNDS = 50;

  /** The clock engine's own count tells one instance from a fresh one. */
  private static long submitted(Guests guests) {
    String got = guests.call(guests.clock, "health", "{}");
    return Long.parseLong(got.split("\"submitted\":")[1].split("[,}]")[0]);
  }

  public static void main(String[] arguments) throws Exception {
    Guests guests = new Guests();
    long pricing = Native.address(guests.pricing);
    long clock = Native.address(guests.clock);
    Thread waiting =
        new Thread(
            () -> {
              try {
                Crowd.together(Crowd.THREADS, i -> guests.waitBoth(300, i));
              } catch (InterruptedException error) {
                throw new IllegalStateException(error);
              }
            });
    Throwable[] failed = new Throwable[1];
    waiting.setUncaughtExceptionHandler((thread, error) -> failed[0] = error);
    try (Crowd crowd = new Crowd(guests)) {
      waiting.start();
      for (int round = 0; round < ROUNDS; round++) {
        long before = submitted(guests);
        Native.unload(guests.pricing);
        Native.unload(guests.clock);
        crowd.goOn(2 * Crowd.THREADS); // what is in flight returns while nothing is open
        guests.pricing = Native.load(System.getenv("PRICING"), false);
        guests.clock = Native.load(System.getenv("CLOCK"), false);
        Guests.need(
            Native.address(guests.pricing) == pricing && Native.address(guests.clock) == clock,
            "another instance");
        Guests.need(guests.configure(Guests.MEMORY) == 0, "the same configuration is refused");
        Guests.need(
            guests.configure("{\"max_connections\":3}") == 2, "another configuration is taken");
        guests.start();
        Guests.need(submitted(guests) > before, "its counts began anew");
      }
      waiting.join();
      Guests.need(failed[0] == null, "a call in flight: " + failed[0]);
      Guests.need(crowd.asked.get() > ROUNDS, "nobody called meanwhile");
    }
    System.out.printf(
        "closed and loaded %d times with %d threads calling, %d right answers; the same instance"
            + " each time%n",
        ROUNDS, 2 * Crowd.THREADS, guests.asked.get());
  }
}
