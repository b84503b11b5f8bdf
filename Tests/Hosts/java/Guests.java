import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.concurrent.atomic.AtomicLong;

/** Both plugins; each call compares the answer with what its arguments demand. */
final class Guests {
  static final String MEMORY = "{\"database_url\":\"sqlite::memory:\",\"max_connections\":4}";

  /** An answer that its arguments do not demand, or a promise broken. */
  static final class Wrong extends RuntimeException {
    private static final long serialVersionUID = 1;

    Wrong(String text) {
      super(text);
    }
  }

  static void need(boolean condition, String text) {
    if (!condition) throw new Wrong(text);
  }

  /** What the plugin puts into an empty database, as JSON writes it. */
  private static final String[] PRODUCTS = {
    "\"id\":1,\"name\":\"Espresso Machine\",\"price\":449.95}",
    "\"id\":2,\"name\":\"Coffee Grinder\",\"price\":129.1}",
    "\"id\":3,\"name\":\"Gooseneck Kettle\",\"price\":79.99}",
    "\"id\":4,\"name\":\"Digital Scale\",\"price\":24.5}",
    "\"id\":5,\"name\":\"Paper Filters\",\"price\":0.07}",
    "\"id\":6,\"name\":\"Milk Pitcher\",\"price\":18}",
    "\"id\":7,\"name\":\"100% Arabica Beans\",\"price\":13.37}",
    "\"id\":8,\"name\":\"Tamper_58\",\"price\":32.25}",
    "\"id\":9,\"name\":\"Plantation Futures\",\"price\":1234567890123456.789012345678}"
  };

  final AtomicLong asked = new AtomicLong();
  volatile long pricing;
  volatile long clock;

  Guests() {
    this(MEMORY, false);
  }

  Guests(String configuration, boolean global) {
    pricing = Native.load(System.getenv("PRICING"), global);
    clock = Native.load(System.getenv("CLOCK"), global);
    need(configure(configuration) == 0, "configure failed");
    start();
  }

  int configure(String configuration) {
    return Native.configure(pricing, configuration.getBytes(UTF_8));
  }

  void start() {
    for (long plugin : new long[] {pricing, clock}) {
      byte[] error = Native.init(plugin);
      need(error == null, "init: " + (error == null ? "" : new String(error, UTF_8)));
    }
  }

  /** The body, behind the code: "0 {...}". */
  String call(long plugin, String tool, String arguments) {
    int[] code = new int[1];
    byte[] body = Native.call(plugin, tool, arguments.getBytes(UTF_8), code);
    need(body != null, tool + ": code " + code[0] + " without a body");
    asked.incrementAndGet();
    return code[0] + " " + new String(body, UTF_8);
  }

  /** get_product_price of one of the products, or of one that is none. */
  void price(int number) {
    int wanted = number % 11 == 0 ? 1000 + number : 1 + number % 9;
    String got = call(pricing, "get_product_price", "{\"product_id\":" + wanted + "}");
    if (wanted >= 1000)
      need(got.equals("1 {\"error\":\"Product " + wanted + " not found\"}"), wanted + ": " + got);
    else
      need(
          got.startsWith("0 {\"description\":\"") && got.endsWith(PRODUCTS[wanted - 1]),
          "product " + wanted + ": " + got);
  }

  /** search_products by the whole name: that product and no other. */
  void search(int number) {
    String product = PRODUCTS[number % 9];
    String name = product.split("\"name\":\"")[1].split("\"")[0];
    String got = call(pricing, "search_products", "{\"query\":\"" + name + "\"}");
    need(
        got.startsWith("0 {\"count\":1,") && got.contains(product), "search " + name + ": " + got);
  }

  /** wait_both; it takes the longer of both, and says both again. */
  void waitBoth(int first, int second) {
    String got =
        call(clock, "wait_both", "{\"first_ms\":" + first + ",\"second_ms\":" + second + "}");
    String head = "0 {\"first_ms\":" + first + ",\"second_ms\":" + second + ",\"elapsed_ms\":";
    need(got.startsWith(head), "wait " + first + " " + second + ": " + got);
    String elapsed = got.substring(head.length(), got.length() - 1);
    need(Integer.parseInt(elapsed) >= Math.max(first, second), "wait: " + got);
  }

  void health() {
    for (long plugin : new long[] {pricing, clock}) {
      String got = call(plugin, "health", "{}");
      need(got.startsWith("0 ") && got.contains("\"status\":\"ok\""), "health: " + got);
    }
  }

  /** Wrong tools and arguments: code 1, and a body that says what. */
  void errors() {
    fails(pricing, "nonsense", "{}", "Unknown tool: nonsense");
    fails(clock, "nonsense", "{}", "nonsense");
    fails(pricing, "get_product_price", "{}", "product_id is missing");
    fails(pricing, "get_product_price", "{\"product_id\":\"1\"}", "product_id must be");
    fails(clock, "wait_both", "{\"first_ms\":1}", "must be 0 to 60000");
    fails(clock, "wait_both", "{\"first_ms\":-1,\"second_ms\":1}", "must be 0 to");
  }

  void fails(long plugin, String tool, String arguments, String text) {
    String got = call(plugin, tool, arguments);
    need(got.startsWith("1 {\"error\":\"") && got.contains(text), tool + ": " + got);
  }

  /** One call of many kinds; the number decides, and is in the answer. */
  void ask(int number) {
    switch (number % 4) {
      case 0 -> waitBoth(number % 7, number % 5);
      case 1 -> search(number);
      default -> price(number);
    }
  }
}
