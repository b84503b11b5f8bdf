internal import COutboard

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// The request whose synchronous body the current thread runs.
enum CurrentRequest {
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    unsafe pthread_key_create(&key, nil)
    return key
  }()

  /// Whether its answer is no longer wanted; false when there is none.
  static var isCancelled: Bool {
    guard let request = unsafe pthread_getspecific(key) else { return false }
    return unsafe ob_request_cancelled(OpaquePointer(request)) != 0
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
