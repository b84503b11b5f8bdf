/**
 * fork while 16 threads call: by C, and from a forked child; ProcessBuilder by its helper, by fork
 * and by vfork. Both plugins' policy is to say so in a child; the child's alarm bounds it.
 */
final class Forks {
  private Forks() {}

  private static final int FORKS = 1000;
  private static final int KILL = 9;
  private static final int ALARM = 14;

  /** WIFEXITED with this status. */
  private static void ended(int status, int want) {
    Guests.need(status != ALARM, "hung: a call in a fork child does not return");
    Guests.need(status != KILL, "hung: a child did not come out of fork");
    Guests.need(status == want << 8, "a child's wait status is " + status + ", not " + want);
  }

  private static void program(String mechanism, int number) throws Exception {
    System.setProperty("jdk.lang.Process.launchMechanism", mechanism);
    // An inherited descriptor of the engines would be seen, and a mask.
    Process process =
        new ProcessBuilder("/bin/sh", "-c", "ls -l /proc/self/fd; grep SigBlk /proc/self/status; exit 5")
            .redirectErrorStream(true)
            .start();
    String said = new String(process.getInputStream().readAllBytes());
    Guests.need(process.waitFor() == 5, mechanism + ": " + said);
    Guests.need(!said.contains("event"), mechanism + " inherited: " + said);
    Guests.need(said.contains("SigBlk:\t0000000000000000"), mechanism + ": " + said);
  }

  /** The mechanism is chosen once, when the first process begins: an argument. */
  public static void main(String[] arguments) throws Exception {
    Guests guests = new Guests();
    String mechanism = arguments.length > 0 ? arguments[0] : "POSIX_SPAWN";
    int forks = arguments.length > 0 ? 50 : FORKS;
    try (Crowd crowd = new Crowd(guests)) {
      for (int i = 0; i < forks; i++)
        ended(Native.fork(guests.pricing, guests.clock, i % 40, i % 20 == 0), i % 40);
      for (int i = 0; i < 20; i++) program(mechanism, i);
      crowd.goOn(1000);
    }
    System.out.printf(
        "%d forks by C, %d from a child, all told so; 20 processes by %s; %d right answers on 16"
            + " threads meanwhile%n",
        forks, forks / 20, mechanism, guests.asked.get());
  }
}
