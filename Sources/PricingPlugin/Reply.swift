internal import FoundationEssentials

/// What crosses to the host: a code and JSON.
struct Reply: Equatable, Sendable {
  var code: Int32
  var json: [UInt8]

  static let ok: Int32 = 0
  static let failed: Int32 = 1
  static let configuredAlready: Int32 = 2

  init(code: Int32, json: [UInt8]) {
    self.code = code
    self.json = json
  }

  /// A success. Members are sorted, so that equal values give equal bytes.
  init(_ value: some Encodable) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      self.init(code: Self.ok, json: Array(try encoder.encode(value)))
    } catch {
      self.init(.database("the answer is no JSON: \(error.reason)"))
    }
  }

  /// A success with JSON that is at hand.
  init(json: String) {
    self.init(code: Self.ok, json: Array(json.utf8))
  }

  /// A failure: `{"error":"..."}`.
  init(_ fault: PluginFault) {
    let body = Reply(["error": fault.description])
    self.init(code: Self.failed, json: body.json)
  }
}
