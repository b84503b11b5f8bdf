extension String {
  /// The text in an array of characters in a C struct, up to its NUL; what is no UTF-8 is replaced.
  ///
  /// - Parameter characters: The array, which Swift imports as a tuple.
  init<Characters: BitwiseCopyable>(zeroTerminated characters: Characters) {
    self = unsafe withUnsafeBytes(of: characters) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// Nil in place of no text.
  var nilIfEmpty: String? { isEmpty ? nil : self }
}
