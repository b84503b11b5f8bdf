import Outboard

/// What a synchronous host would call.
func answer(_ engine: Engine) throws -> Int {
  try engine.callAndWait(deadline: .seconds(5)) {
    async let six = {
      try await Task.sleep(for: .milliseconds(2)); return 6
    }()
    async let seven = {
      try await Task.sleep(for: .milliseconds(1)); return 7
    }()
    return try await six * seven
  }
}

let engine = try Engine()
print(try answer(engine), try await engine.call { Engine.current === engine })
try await engine.shutdown()
