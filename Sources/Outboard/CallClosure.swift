internal import COutboard

/// Runs a closure on an engine's loop thread while the caller blocks; inline on that thread.
///
/// The two words of a non-escaping closure go through C as they are: function and context, in the
/// registers of the Swift calling convention (`ob_spi_call_closure`). `withoutActuallyEscaping`
/// would allocate one to three times.
///
/// - Parameters:
///   - engine: The core's engine.
///   - body: Runs exactly once if the status is 0, else never.
/// - Returns: A status of the core.
@_silgen_name("ob_spi_call_closure")
func callClosure(_ engine: OpaquePointer, _ body: () -> Void) -> Int32

/// The same for a closure that initializes memory it is given, of an ``Answer``: its bytes are
/// moved with the answer, so that the loop does not write to the caller's memory.
///
/// - Parameters:
///   - engine: The core's engine.
///   - body: Runs exactly once if the status is 0, else never.
///   - answer: Where the bytes are then.
/// - Returns: A status of the core.
@_silgen_name("ob_spi_call_answering")
func callAnswering(
  _ engine: OpaquePointer, _ body: (UnsafeMutableRawPointer) -> Void,
  _ answer: UnsafeMutableRawPointer
) -> Int32
