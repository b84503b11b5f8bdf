internal import COutboard
internal import Synchronization

/// Takes connections at an address. See ``Engine/listen(on:backlog:)``.
///
/// Connections that nobody accepts wait in the system's queue, and when that is full at their
/// clients. Closed by ``close()`` or with its last reference.
public final class Listener: Sendable {
  /// Where it listens, with the port that the system chose.
  public let address: SocketAddress
  private let descriptor: OwnedDescriptor
  /// Of a Unix-domain socket, the file that was made.
  private let file: SocketFile?
  private let fileIsGone = Atomic<Bool>(false)

  init(_ descriptor: OwnedDescriptor, _ address: SocketAddress, _ file: SocketFile?) {
    self.descriptor = descriptor
    self.address = address
    self.file = file
  }

  /// Closes it: who accepts gets ``EngineError/closed(_:)``. Removes the path of a Unix-domain
  /// socket, if it is still the one that was made. Any thread; again is fine.
  public func close() {
    descriptor.close()
    removeFile()
  }

  deinit { removeFile() }

  /// Once: a file made later may have the same number in the file system.
  private func removeFile() {
    if !fileIsGone.exchange(true, ordering: .relaxed) { file?.remove() }
  }

  /// Takes the next connection. One task at a time.
  ///
  /// - Parameter deadline: When to give up.
  /// - Returns: The connection.
  /// - Throws: ``EngineError/io(_:)`` with `EMFILE` and the like, after which it may be tried again;
  ///   ``EngineError/busy(_:)`` when another task accepts, ``EngineError/closed(_:)``,
  ///   ``EngineError/timedOut(_:)``, ``EngineError/cancelled``, ``EngineError/shutdown``.
  public func accept(deadline: Deadline = .never) async throws(EngineError) -> ByteStream {
    let expiry = try descriptor.start(.read, deadline)
    defer { descriptor.finish(.read) }
    while true {
      let answer = try descriptor.use { fd in Int(ob_spi_accept(fd)) }
      if let fd = try descriptor.count(answer, "accept at \(address)") {
        let accepted = OwnedDescriptor(
          Int32(fd), descriptor.executor, name: "a connection at \(address)")
        await descriptor.breathe()
        return ByteStream(accepted, .socket)
      }
      try await descriptor.wait(.read, expiry)
    }
  }

  /// Serves connections until it is closed or the task is cancelled.
  ///
  /// Each is served by a task of its own on the loop, and closed when the body has ended. Without
  /// room for another one none is accepted.
  ///
  /// - Parameters:
  ///   - limit: Most connections at once.
  ///   - body: Serves one; every step of it runs on the loop thread. What it throws ends its
  ///     connection and nothing else.
  /// - Throws: ``EngineError/closed(_:)`` after ``close()``, ``EngineError/cancelled``,
  ///   ``EngineError/shutdown``, ``EngineError/invalidArgument(_:)``; when all bodies have ended,
  ///   which are cancelled first.
  public func serve(
    limit: Int = 1024, _ body: @escaping @Sendable (ByteStream) async throws -> Void
  ) async throws(EngineError) {
    guard limit > 0 else {
      throw .invalidArgument("a limit of \(limit) connections: at least one")
    }
    let error = await withTaskExecutorPreference(descriptor.executor) {
      await serveOnLoop(limit, body)
    }
    throw error
  }

  private func serveOnLoop(
    _ limit: Int, _ body: @escaping @Sendable (ByteStream) async throws -> Void
  ) async -> EngineError {
    await withTaskGroup(of: Void.self) { group in
      defer { group.cancelAll() }
      var count = 0
      while true {
        if count == limit {
          await group.next()
          count -= 1
        }
        switch await next() {
        case .success(let connection):
          count += 1
          group.addTask {
            // Its own business: the peer sees the end of the connection.
            try? await body(connection)
            connection.close()
          }
        case .failure(.io):
          // No descriptor or memory is to be had just now. A connection that ends may bring some.
          if let error = await rest() { return error }
        case .failure(let error):
          return error
        }
      }
    }
  }

  private func next() async -> Result<ByteStream, EngineError> {
    do { return .success(try await accept()) } catch { return .failure(error) }
  }

  /// Before the next try after an error that goes by.
  private func rest() async -> EngineError? {
    await LoopSleep(descriptor.executor, nanoseconds: 20_000_000).outcome().error
  }
}
