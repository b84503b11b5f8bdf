/** A host that ends with calls in flight: Leaving WAY. Its parent is ended.py. */
final class Leaving {
  private Leaving() {}

  /** Half in a long call, half in one after the other, none awaited. */
  private static void callForEver(Guests guests) throws InterruptedException {
    new Crowd(
        Crowd.THREADS,
        true,
        number -> {
          if (number % 1009 == 0 && number % 2 == 1) guests.waitBoth(60000, 60000);
          guests.price(number);
        });
    while (guests.asked.get() < 200) Thread.sleep(1);
  }

  public static void main(String[] arguments) throws Exception {
    Guests guests = new Guests();
    if (arguments[0].equals("threads")) { // the machine itself waits for them
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(() -> System.out.println(guests.asked.get() == 32 ? "32 right" : "wrong")));
      for (int i = 0; i < Crowd.THREADS; i++) {
        int number = i;
        new Thread(
                () -> {
                  guests.waitBoth(150 + number, 3);
                  guests.price(number);
                })
            .start();
      }
      return;
    }
    callForEver(guests);
    System.out.println("leaving");
    switch (arguments[0]) {
      case "exit" -> System.exit(7);
      case "halt" -> Runtime.getRuntime().halt(8);
      case "error" -> throw new IllegalStateException("the host's own");
      case "hook" -> {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> guests.ask(1)));
        System.exit(9);
      }
      default -> {} // return: the threads are daemons
    }
  }
}
