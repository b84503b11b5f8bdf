import java.util.Map;
import java.util.TreeMap;

/**
 * What the global scope has, before and after the plugins: Symbols local|global. The host has a
 * SQLite and a libuv of its own there, and decoys of what the plugins have inside. The dynamic
 * linker's own words are read by bindings.py.
 */
final class Symbols {
  private Symbols() {}

  private static final String[] NAMES = {
    "uv_version", "uv_loop_init", "uv_async_send", "swift_retain", "swift_once", "sqlite3_open",
    "sqlite3_libversion", "ob_call", "ob_version_string", "mcp_reply", "plugin_declaration"
  };

  public static void main(String[] arguments) throws Exception {
    boolean global = arguments[0].equals("global");
    Guests.need(Native.beside("libsqlite3.so.0"), "no SQLite of the host's own");
    Native.beside("libuv.so.1");
    Guests.need(Native.beside(System.getenv("DECOYS")), "no decoys");
    Map<String, String> before = new TreeMap<>();
    for (String name : NAMES) before.put(name, Native.whose(name));
    Guests guests = new Guests(Guests.MEMORY, global);
    try (Crowd crowd = new Crowd(guests)) {
      crowd.goOn(500);
    }
    for (String name : NAMES) {
      String after = Native.whose(name);
      if (after.equals(before.get(name))) continue;
      Guests.need(
          global && name.equals("plugin_declaration"), "visible: " + name + " in " + after);
    }
    Guests.need(Native.decoy() == null, "called: the host's " + Native.decoy());
    Guests.need(
        !global || !Native.whose("plugin_declaration").isEmpty(),
        "RTLD_GLOBAL made nothing visible: this looks at nothing");
  }
}
