import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A selector's loop answers datagrams, and a scheduler with one thread ticks, while tools block 32
 * threads; tools called on either loop's own thread answer too. The control: during such a call the
 * loop's own ticks stand still, so ticks are what they seem to be.
 */
final class Loop {
  private Loop() {}

  private static final int TASKS = 32;
  private static final int ENOUGH = 5; // ticks, datagrams
  private static final int PATIENCE_S =
      Integer.parseInt(System.getenv().getOrDefault("PATIENCE", "20"));

  private static final AtomicInteger echoes = new AtomicInteger();

  /** The selector's loop; it calls a tool of either plugin for each datagram. */
  private static void serve(Selector selector, Guests guests) {
    ByteBuffer buffer = ByteBuffer.allocate(64);
    try {
      while (!Thread.interrupted()) {
        selector.select(100);
        for (SelectionKey key : selector.selectedKeys()) {
          DatagramChannel channel = (DatagramChannel) key.channel();
          buffer.clear();
          var peer = channel.receive(buffer);
          if (peer == null) continue;
          buffer.flip();
          guests.price(buffer.getInt(0));
          guests.waitBoth(1, 0);
          channel.send(buffer, peer);
        }
        selector.selectedKeys().clear();
      }
    } catch (java.nio.channels.ClosedByInterruptException expected) {
      return;
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }

  /** Asks the selector's loop, which must answer in time. */
  private static void ping(InetSocketAddress address, int number) {
    try (var socket = new java.net.DatagramSocket()) {
      socket.setSoTimeout(PATIENCE_S * 1000);
      byte[] bytes = ByteBuffer.allocate(4).putInt(number).array();
      socket.send(new java.net.DatagramPacket(bytes, 4, address));
      var answer = new java.net.DatagramPacket(new byte[4], 4);
      socket.receive(answer);
      Guests.need(ByteBuffer.wrap(answer.getData()).getInt() == number, "another's datagram");
      echoes.incrementAndGet();
    } catch (java.io.IOException error) {
      throw new IllegalStateException("stopped: the selector's loop does not answer", error);
    }
  }

  public static void main(String[] arguments) {
    int status = 0;
    try {
      run();
    } catch (Throwable error) {
      error.printStackTrace();
      status = 1;
    }
    System.exit(status); // what is still waiting for a loop is not waited for
  }

  private static void run() throws Exception {
    Guests guests = new Guests();
    Selector selector = Selector.open();
    DatagramChannel channel = DatagramChannel.open();
    channel.bind(new InetSocketAddress("127.0.0.1", 0));
    channel.configureBlocking(false);
    channel.register(selector, SelectionKey.OP_READ);
    var address = (InetSocketAddress) channel.getLocalAddress();
    Thread loop = new Thread(() -> serve(selector, guests), "java-selector");
    loop.start();
    ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor();
    AtomicInteger ticks = new AtomicInteger();
    scheduler.scheduleWithFixedDelay(ticks::incrementAndGet, 1, 1, TimeUnit.MILLISECONDS);

    int counted = blocked(guests, address, ticks);
    scheduler
        .submit(
            () -> {
              int before = ticks.get();
              guests.waitBoth(50, 20);
              for (int i = 0; i < 20; i++) guests.ask(i);
              Guests.need(ticks.get() == before, "ticks while the loop's thread was blocked");
            })
        .get();
    scheduler.shutdownNow();
    loop.interrupt();
    loop.join();
    channel.close();
    selector.close();
    System.out.printf(
        "%d ticks and %d datagrams of Java's loops while %d threads called; %d calls, %d of them"
            + " on a loop%n",
        counted, echoes.get(), TASKS, guests.asked.get(), 2 * echoes.get() + 21);
  }

  /** Ticks while each of TASKS threads is inside a call; a busy machine gets longer calls. */
  private static int blocked(Guests guests, InetSocketAddress address, AtomicInteger ticks)
      throws Exception {
    int seen = 0;
    for (int ms = 1000; ms <= 25000 && (seen < ENOUGH || echoes.get() < ENOUGH); ms *= 5)
      seen = blocked(guests, address, ticks, ms);
    Guests.need(
        seen >= ENOUGH && echoes.get() >= ENOUGH,
        "stopped: " + seen + " ticks, " + echoes + " datagrams in a call");
    return seen;
  }

  private static int blocked(
      Guests guests, InetSocketAddress address, AtomicInteger ticks, int ms) throws Exception {
    AtomicInteger inside = new AtomicInteger();
    int seen = 0;
    CompletableFuture<Void> done =
        CompletableFuture.runAsync(
            () -> {
              try {
                Crowd.together(
                    TASKS,
                    i -> {
                      inside.incrementAndGet();
                      guests.waitBoth(ms, i);
                      inside.decrementAndGet();
                    });
              } catch (InterruptedException error) {
                throw new IllegalStateException(error);
              }
            },
            Executors.newSingleThreadExecutor());
    while (inside.get() < TASKS && !done.isDone()) Thread.sleep(1);
    int before = ticks.get();
    for (int number = 1; inside.get() == TASKS; number++) {
      ping(address, number);
      seen = ticks.get() - before;
    }
    done.get();
    return seen;
  }
}
