internal import COutboard

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// The request, or hop, whose synchronous body the current thread runs.
enum CurrentRequest {
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    unsafe pthread_key_create(&key, nil)
    return key
  }()

  /// Whether its answer is no longer wanted; false when there is none.
  static var isCancelled: Bool {
    let word = unsafe UInt(bitPattern: pthread_getspecific(key))
    if word & hopTag != 0 {
      let hop = unsafe UnsafePointer<ob_hop>(bitPattern: word & ~hopTag)
      return unsafe ob_spi_hop_cancelled(hop) != 0
    }
    // A post's body, or none.
    guard let request = unsafe OpaquePointer(bitPattern: word) else {
      return ob_spi_stopping() != 0
    }
    return unsafe ob_request_cancelled(request) != 0
  }

  /// Tells a hop from a request in the thread's word.
  private static let hopTag: UInt = 1

  /// - Returns: What was around this hop, for `leave`.
  static func enter(_ hop: UnsafePointer<ob_hop>) -> UnsafeMutableRawPointer? {
    let outer = unsafe pthread_getspecific(key)
    unsafe pthread_setspecific(
      key, UnsafeMutableRawPointer(bitPattern: UInt(bitPattern: hop) | hopTag))
    return unsafe outer
  }

  /// - Returns: The request around this one, for `leave`.
  static func enter(_ request: OpaquePointer) -> UnsafeMutableRawPointer? {
    let outer = unsafe pthread_getspecific(key)
    unsafe pthread_setspecific(key, UnsafeMutableRawPointer(request))
    return unsafe outer
  }

  static func leave(_ outer: UnsafeMutableRawPointer?) {
    unsafe pthread_setspecific(key, outer)
  }
}
