/// Room for the outcome of a call that travels with its answer.
@usableFromInline
struct Answer {
  /// As the core has it (`OB_SPI_ANSWER`).
  @usableFromInline
  var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  @inlinable
  init() {}

  /// Whether an outcome fits and may be moved as bytes: what an error is (a reference), and what the
  /// language calls trivial.
  @inlinable
  static func holds<R>(_: R.Type) -> Bool {
    _isPOD(R.self)
      && MemoryLayout<Result<R, any Error>>.size <= MemoryLayout<Answer>.size
      && MemoryLayout<Result<R, any Error>>.alignment <= MemoryLayout<Answer>.alignment
  }
}
