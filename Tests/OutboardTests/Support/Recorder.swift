import Glibc

/// A list that any thread may add to.
@safe final class Recorder<Element: Sendable>: @unchecked Sendable {
  // `elements` is protected by `mutex`.
  private var elements: [Element] = []
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() { unsafe pthread_mutex_init(mutex, nil) }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  func add(_ element: Element) {
    unsafe pthread_mutex_lock(mutex)
    elements.append(element)
    unsafe pthread_mutex_unlock(mutex)
  }

  var all: [Element] {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return elements
  }

  var count: Int { all.count }
}
