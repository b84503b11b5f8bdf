import Outboard
import Testing

/// What a long job says while it runs, and at its end: the README's example.
private enum Update: Sendable {
  case progress(Double)
  case done(rows: Int)
}

/// Imports rows on the loop and reports after each.
private func importRows(_ rows: Int, on engine: Engine) throws(EngineError) -> EngineStream<Update>
{
  try engine.stream(of: Update.self, buffer: .latest(1)) { writer in
    for row in 1...rows {
      await Task.yield()  // one row of work
      try await writer.send(.progress(Double(row) / Double(rows)))
    }
    try await writer.send(.done(rows: rows))
  }
}

@Suite("Progress", .timeLimit(.minutes(1)))
struct ProgressTests {
  @Test("A blocked host sees progress rise, misses some, and gets the result")
  func blocked() async throws {
    let engine = try Engine()
    let (seen, rows) = try await HostThread.run {
      var (seen, imported) = ([Double](), 0)
      let updates = try importRows(200, on: engine)
      while let update = try updates.next(deadline: .seconds(30)) {
        switch update {
        case .progress(let share): seen.append(share)
        case .done(let rows): imported = rows
        }
      }
      return (seen, imported)
    }
    #expect(rows == 200)
    #expect(seen == seen.sorted() && seen.count <= 200)
  }

  @Test("The newest update replaces the others while nobody looks")
  func latest() async throws {
    let engine = try Engine()
    let (updates, writer) = try engine.channel(of: Int.self, buffer: .latest(2))
    for number in 0..<100 { #expect(try writer.trySend(number)) }
    writer.finish()
    var seen: [Int] = []
    for try await number in updates { seen.append(number) }
    #expect(seen == [98, 99])
  }
}
