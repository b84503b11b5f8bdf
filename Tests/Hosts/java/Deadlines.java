import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Path;

/**
 * Calls that wait too long end at their deadline while others go on: the clock's by an argument, the
 * pricing plugin's when another process has its database.
 */
final class Deadlines {
  private Deadlines() {}

  /** Says when it holds the database, and holds it until its input ends. */
  private static final String HOLDER =
      "import sqlite3, sys\n"
          + "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
          + "connection.execute('BEGIN EXCLUSIVE')\n"
          + "print('held', flush=True)\n"
          + "sys.stdin.read()\n"
          + "connection.execute('ROLLBACK')\n";

  private static final int BOUND_MS = 18000;

  private static void expires(
      Guests guests, long plugin, String tool, String arguments, String error) {
    long begun = System.nanoTime();
    String got = guests.call(plugin, tool, arguments);
    long took = (System.nanoTime() - begun) / 1_000_000;
    Guests.need(got.equals("1 {\"error\":\"" + error + "\"}"), tool + ": " + got);
    Guests.need(took < BOUND_MS, "late: " + tool + " ended after " + took + " ms");
  }

  public static void main(String[] arguments) throws Exception {
    String path = Path.of(System.getenv("HOME"), "java-deadlines.db").toString();
    Guests guests =
        new Guests("{\"database_url\":\"sqlite:" + path + "\",\"timeout_seconds\":3}", false);
    long others;
    try (Crowd crowd = new Crowd(8, false, number -> guests.waitBoth(number % 3, 2))) {
      Crowd.together(
          Crowd.THREADS,
          thread -> {
            for (int i = 0; i < 3; i++)
              expires(
                  guests,
                  guests.clock,
                  "wait_both",
                  "{\"first_ms\":5000,\"second_ms\":1,\"timeout_ms\":100}",
                  "no answer: deadline expired");
          });
      Process holder =
          new ProcessBuilder(System.getenv("PYTHON"), "-c", HOLDER, path)
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      var said = new BufferedReader(new InputStreamReader(holder.getInputStream()));
      Guests.need("held".equals(said.readLine()), "the database is not held");
      Crowd.together(
          Crowd.THREADS,
          thread ->
              expires(
                  guests,
                  guests.pricing,
                  "get_product_price",
                  "{\"product_id\":1}",
                  "Timed out after 3 s"));
      holder.getOutputStream().close();
      Guests.need(holder.waitFor() == 0, "the holder failed");
      others = crowd.asked.get();
    }
    guests.price(1); // and it is back
    Guests.need(others > 0, "the others have not gone on");
    System.out.printf(
        "%d waits ended after 100 ms and %d queries after 3 s on %d threads, %d other calls"
            + " meanwhile%n",
        3 * Crowd.THREADS, Crowd.THREADS, Crowd.THREADS, others);
  }
}
