import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** What belongs to the process is the same before and after: Polite WHAT. */
final class Polite {
  private Polite() {}

  private static void crowd(Guests guests, int calls) throws InterruptedException {
    try (Crowd crowd = new Crowd(guests)) {
      crowd.goOn(calls);
    }
    guests.errors();
    guests.health();
  }

  private static Set<String> lines(String text) {
    return new TreeSet<>(text.lines().toList());
  }

  /** In one but not in the other. */
  private static Set<String> without(Set<String> one, Set<String> other) {
    Set<String> left = new TreeSet<>(one);
    left.removeAll(other);
    return left;
  }

  private static void untouched() throws InterruptedException {
    String before = Native.state();
    Guests guests = new Guests();
    crowd(guests, 2000);
    String after = Native.state();
    Guests.need(
        before.equals(after),
        "touched: " + without(lines(after), lines(before)) + without(lines(before), lines(after)));
    System.out.printf(
        "%d lines of state, equal after %d calls; the JVM's signal handlers among them%n",
        lines(before).size(), guests.asked.get());
  }

  private static void descriptors() throws InterruptedException {
    Set<String> before = lines(Native.descriptors());
    Guests guests = new Guests();
    crowd(guests, 1);
    Set<String> one = lines(Native.descriptors());
    Set<String> ours = without(one, before);
    for (String line : ours)
      Guests.need(line.split(" ")[1].equals("cloexec"), "not close-on-exec: " + line);
    crowd(guests, 1000);
    Set<String> many = lines(Native.descriptors());
    Guests.need(
        many.equals(one), "descriptors grew: " + without(many, one) + " or went: " + without(one, many));
    Guests.need(one.containsAll(before), "the host's are gone: " + without(before, one));
    System.out.printf(
        "%d descriptors, all close-on-exec, the same after %d calls%n",
        ours.size(), guests.asked.get());
  }

  /** Id to name and mask of the threads that the Java machine did not make. */
  private static Map<String, String> theirs(Set<String> before) {
    Map<String, String> found = new TreeMap<>();
    for (String line : Native.threads().lines().toList()) {
      String[] parts = line.split(" ", 2);
      if (!before.contains(parts[0]) && !parts[1].startsWith("java-")) found.put(parts[0], parts[1]);
    }
    return found;
  }

  /** Voluntary context switches: how often each thread has gone to sleep. */
  private static Map<String, String> switches(Set<String> threads) throws Exception {
    Map<String, String> counts = new TreeMap<>();
    for (String thread : threads)
      for (String line : Files.readAllLines(Path.of("/proc/self/task/" + thread + "/status")))
        if (line.startsWith("voluntary_ctxt_switches")) counts.put(thread, line);
    return counts;
  }

  private static boolean masked(String thread) {
    return thread.endsWith(" process");
  }

  private static void threads() throws Exception {
    try (Crowd crowd = new Crowd(4, false, number -> System.gc())) {
      crowd.goOn(20); // the machine's own threads are all there
    }
    Set<String> before = new TreeSet<>();
    for (String line : Native.threads().lines().toList()) before.add(line.split(" ")[0]);
    Guests guests = new Guests();
    crowd(guests, 1000);
    Map<String, String> theirs = theirs(before);
    for (int i = 0; i < 50 && !theirs.values().stream().allMatch(Polite::masked); i++) {
      Thread.sleep(100); // a thread may not be gone yet
      theirs = theirs(before);
    }
    Guests.need(!theirs.isEmpty(), "no thread of the plugins");
    for (String one : theirs.values()) Guests.need(masked(one), "mask of thread " + one);
    Map<String, String> first = null;
    Map<String, String> last = null;
    for (int i = 0; i < 5 && (first == null || !first.equals(last)); i++) {
      first = switches(theirs.keySet());
      Thread.sleep(1200);
      last = switches(theirs.keySet());
    }
    Guests.need(first.equals(last), "idle, they run: " + first + last);
    System.out.printf(
        "%d threads with signals blocked and faults not; no wake-up in 1.2 s of idling%n",
        theirs.size());
  }

  private static void silent() throws Exception {
    Guests guests = new Guests();
    crowd(guests, 1000);
    Guests.need(Native.attached(guests::health), "an attached thread failed");
    System.gc();
  }

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "untouched" -> untouched();
      case "descriptors" -> descriptors();
      case "threads" -> threads();
      default -> silent();
    }
  }
}
