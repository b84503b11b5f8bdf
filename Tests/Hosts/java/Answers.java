import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

/**
 * Both plugins answer Java threads, an executor's, parallel streams and threads of C that attach and
 * detach, while the garbage collector runs and its heap is small.
 */
final class Answers {
  private Answers() {}

  /** Garbage, so that collections happen beside those that are asked for. */
  static Object garbage(int number) {
    List<byte[]> list = new ArrayList<>();
    for (int i = 0; i < 32; i++) list.add(new byte[1024 + number % 64]);
    return list;
  }

  public static void main(String[] arguments) throws Exception {
    Guests guests = new Guests();
    AtomicLong collections = new AtomicLong();
    try (Crowd collector =
        new Crowd(
            1,
            false,
            number -> {
              Crowd.pause(10);
              System.gc();
              collections.incrementAndGet();
            })) {
      Crowd.together(
          Crowd.THREADS,
          thread -> {
            for (int i = 0; i < 150; i++) {
              garbage(i);
              guests.ask(thread * 150 + i);
            }
            guests.errors();
          });
      byPool(guests);
      IntStream.range(0, 1000).parallel().forEach(guests::ask);
      Crowd.together(
          8,
          thread -> {
            for (int i = 0; i < 50; i++) {
              int number = thread * 50 + i;
              Guests.need(Native.attached(() -> guests.ask(number)), "an attached thread failed");
            }
          });
    }
    guests.health();
    System.out.printf(
        "%d calls by 16 threads, a pool of 16, parallel streams and 400 attached threads, each"
            + " answer compared; %d collections meanwhile%n",
        guests.asked.get(), collections.get());
  }

  private static void byPool(Guests guests) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(16);
    List<Callable<Void>> work = new ArrayList<>();
    for (int i = 0; i < 1500; i++) {
      int number = i;
      work.add(
          () -> {
            guests.ask(number);
            return null;
          });
    }
    for (Future<Void> one : pool.invokeAll(work)) one.get();
    pool.shutdown();
  }
}
