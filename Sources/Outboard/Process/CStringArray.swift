/// Texts as the system takes a program's arguments: zero-terminated, in an array that ends with nil.
@safe struct CStringArray: ~Copyable {
  private let pointers: UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>

  /// - Parameter texts: Without NUL bytes.
  init(_ texts: [String]) {
    unsafe pointers = .allocate(capacity: texts.count + 1)
    unsafe pointers.initialize(repeating: nil)
    for (index, text) in texts.enumerated() {
      let bytes = text.utf8CString
      let copy = UnsafeMutableBufferPointer<CChar>.allocate(capacity: bytes.count)
      _ = unsafe copy.initialize(from: bytes)
      unsafe pointers[index] = copy.baseAddress
    }
  }

  deinit {
    for index in unsafe pointers.indices { unsafe pointers[index]?.deallocate() }
    unsafe pointers.deallocate()
  }

  /// Valid as long as this.
  var address: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
    unsafe pointers.baseAddress
  }
}
