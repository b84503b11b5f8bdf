import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;

/** Threads that ask until they are closed; closing throws what went wrong. */
final class Crowd implements AutoCloseable {
  static final int THREADS = 16;

  final AtomicLong asked = new AtomicLong();
  private final AtomicReference<Throwable> failed = new AtomicReference<>();
  private final List<Thread> threads = new ArrayList<>();
  private final CountDownLatch begun;
  private volatile boolean over;

  Crowd(int count, boolean daemon, IntConsumer ask) throws InterruptedException {
    begun = new CountDownLatch(count);
    for (int i = 0; i < count; i++) {
      int first = i * 1009;
      Thread thread = new Thread(() -> run(first, ask), "java-crowd-" + i);
      thread.setDaemon(daemon);
      threads.add(thread);
      thread.start();
    }
    begun.await();
  }

  Crowd(Guests guests) throws InterruptedException {
    this(THREADS, false, guests::ask);
  }

  private void run(int first, IntConsumer ask) {
    begun.countDown();
    try {
      for (int number = first; !over; number++) {
        ask.accept(number);
        asked.incrementAndGet();
      }
    } catch (Throwable error) {
      failed.compareAndSet(null, error);
      over = true;
    }
  }

  /** Until so many more have been asked. */
  void goOn(long calls) throws InterruptedException {
    long goal = asked.get() + calls;
    while (asked.get() < goal && !over) Thread.sleep(1);
  }

  static void pause(int ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Runs the work count times, all at once; throws what one of them threw. */
  static void together(int count, IntConsumer work) throws InterruptedException {
    AtomicReference<Throwable> failed = new AtomicReference<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int number = i;
      threads.add(
          new Thread(
              () -> {
                try {
                  work.accept(number);
                } catch (Throwable error) {
                  failed.compareAndSet(null, error);
                }
              },
              "java-together-" + i));
    }
    for (Thread thread : threads) thread.start();
    for (Thread thread : threads) thread.join();
    rethrow(failed.get());
  }

  private static void rethrow(Throwable error) {
    if (error == null) return;
    if (error instanceof RuntimeException known) throw known;
    throw new IllegalStateException(error);
  }

  @Override
  public void close() throws InterruptedException {
    over = true;
    for (Thread thread : threads) thread.join();
    rethrow(failed.get());
  }
}
