import java.io.File;
import java.io.RandomAccessFile;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;

/**
 * A host that is sent signals, and raises faults that its machine handles, while its threads call:
 * Struck WHAT. It says 'ready', then its parent (ended.py) sends.
 */
final class Struck {
  private Struck() {}

  private static final class Box {
    int value = 1;
  }

  /** Null is found by the processor: SIGSEGV, and the machine's handler. */
  private static int ofNulls(int count) {
    Box[] boxes = {new Box(), null};
    int caught = 0;
    for (int i = 0; i < count; i++) {
      try {
        boxes[i & 1].value++;
      } catch (NullPointerException expected) {
        caught++;
      }
    }
    return caught;
  }

  /** A division by zero: SIGFPE. */
  private static int ofZeros(int count) {
    int caught = 0;
    for (int i = 0; i < count; i++) {
      try {
        caught += 1 / (i & 1) - 1;
      } catch (ArithmeticException expected) {
        caught++;
      }
    }
    return caught;
  }

  private static int deeper(int depth) {
    return depth + deeper(depth + 1);
  }

  /** The guard pages of the stack: SIGSEGV. */
  private static int ofStacks(int count) {
    int caught = 0;
    for (int i = 0; i < count; i++) {
      try {
        deeper(0);
      } catch (StackOverflowError expected) {
        caught++;
      }
    }
    return caught;
  }

  /** A mapped file that has become shorter: SIGBUS. */
  private static int ofMappings() {
    try {
      File path = File.createTempFile("mapped", null, new File(System.getenv("HOME")));
      try (RandomAccessFile file = new RandomAccessFile(path, "rw")) {
        file.setLength(8192);
        MappedByteBuffer map = file.getChannel().map(FileChannel.MapMode.READ_ONLY, 0, 8192);
        file.setLength(0);
        Guests.need(map.get(5000) == 0, "bytes of a file that has none");
        return 0;
      } catch (InternalError expected) {
        return 1;
      } finally {
        path.delete();
      }
    } catch (java.io.IOException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Compiled loops that only a safepoint stops, and collections that ask for it. */
  private static long spin(int number) {
    long sum = 0;
    for (int i = 0; i < 2_000_000; i++) sum += i ^ number;
    return sum;
  }

  private static void collect(int number) {
    Crowd.pause(10);
    System.gc();
  }

  private static void faults(Guests guests) throws Exception {
    int[] caught = new int[5];
    try (Crowd crowd = new Crowd(guests);
        Crowd collector = new Crowd(1, false, Struck::collect);
        Crowd spinning = new Crowd(1, false, number -> Guests.need(spin(number) != 1, "spin"))) {
      for (int round = 0; round < 10; round++) {
        caught[0] += ofNulls(20000);
        caught[1] += ofZeros(20000);
        caught[2] += ofStacks(2);
        caught[3] += ofMappings();
        guests.ask(round);
        Crowd.together(4, thread -> Guests.need(ofStacks(1) == 1, "no StackOverflowError"));
        Guests.need(
            Native.attached(() -> Guests.need(ofNulls(2000) == 1000, "attached: nulls")),
            "an attached thread failed");
      }
      crowd.goOn(300);
      collector.goOn(5);
      spinning.goOn(1);
    }
    Guests.need(caught[0] == 100_000, "NullPointerException: " + caught[0]);
    Guests.need(caught[1] == 100_000, "ArithmeticException: " + caught[1]);
    Guests.need(caught[2] == 20, "StackOverflowError: " + caught[2]);
    Guests.need(caught[3] == 10, "InternalError: " + caught[3]);
    System.out.println("ready");
    System.exit(5);
  }

  /** The hook runs while calls are in flight, and calls itself. */
  private static void hook(Guests guests) throws Exception {
    Crowd crowd = new Crowd(guests);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  try {
                    guests.ask(3);
                    guests.ask(4);
                    crowd.goOn(300);
                    crowd.close();
                    System.out.println("hook");
                  } catch (InterruptedException error) {
                    System.out.println("interrupted");
                  }
                }));
    System.out.println("ready");
    Thread.sleep(60000);
  }

  /** Until the parent, who has seen what it wanted, closes our input. */
  private static void listen(Guests guests) throws Exception {
    try (Crowd crowd = new Crowd(guests)) {
      System.out.println("ready");
      while (System.in.read() >= 0) {}
      crowd.goOn(300);
    }
    System.exit(6);
  }

  private static void fatal(Guests guests) throws Exception {
    try (Crowd crowd = new Crowd(guests)) {
      System.out.println("ready");
      Native.fault();
    }
  }

  public static void main(String[] arguments) throws Exception {
    Guests guests = new Guests();
    switch (arguments[0]) {
      case "faults" -> faults(guests);
      case "hook" -> hook(guests);
      case "listen" -> listen(guests);
      default -> fatal(guests);
    }
  }
}
