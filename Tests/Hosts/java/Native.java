/** The native side, native.c: plugins as numbers, the process's state as text. */
final class Native {
  private Native() {}

  static {
    System.load(System.getenv("NATIVE"));
  }

  static native long load(String path, boolean global);

  static native void unload(long plugin);

  static native long address(long plugin);

  static native int configure(long plugin, byte[] json);

  static native byte[] init(long plugin);

  static native byte[] call(long plugin, String tool, byte[] arguments, int[] code);

  static native String state();

  static native String descriptors();

  static native String threads();

  static native String whose(String symbol);

  static native boolean beside(String library);

  static native String decoy();

  static native int fork(long pricing, long clock, int status, boolean deeper);

  static native void fault();

  static native boolean attached(Runnable work);
}
