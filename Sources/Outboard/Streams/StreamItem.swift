internal import COutboard

/// An element in a stream of the core, which holds it until it is delivered or destroyed.
final class StreamItem<Element: Sendable>: Sendable {
  private let element: Element

  private init(_ element: Element) { self.element = element }

  /// Wraps an element. Who frees the result destroys it.
  static func wrap(_ element: Element) -> ob_result {
    let item = unsafe Unmanaged.passRetained(StreamItem(element))
    return unsafe ob_result_own(item.toOpaque(), MemoryLayout<Element>.size, releaseItem, nil)
  }

  /// Takes the element out of a result that `wrap` made.
  static func unwrap(_ result: ob_result) -> Element {
    var result = unsafe result
    guard let data = unsafe ob_result_data(&result) else {
      preconditionFailure("Outboard: an element of a stream is missing")
    }
    return unsafe Unmanaged<StreamItem>.fromOpaque(data).takeRetainedValue().element
  }
}

private func releaseItem(
  _ item: UnsafeMutableRawPointer?, _ size: Int, _ user: UnsafeMutableRawPointer?
) {
  guard let item = unsafe item else { return }
  unsafe Unmanaged<AnyObject>.fromOpaque(item).release()
}
