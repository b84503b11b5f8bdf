import CPricingPlugin
import Testing

@testable import PricingPlugin

/// The exported declaration, called through C. One test only configures it: the plugin behind it
/// is the process's own.
@Suite(.timeLimit(.minutes(1)))
struct ABITests {
  private typealias Bytes = UnsafeMutablePointer<UInt8>?
  private typealias Call = (UnsafeMutablePointer<Bytes>, UnsafeMutablePointer<Int>) -> Int32?

  /// Takes an answer and gives its buffer back.
  private func text(_ call: Call) -> (Int32?, String) {
    var bytes: Bytes = nil
    var count = 0
    let code = unsafe call(&bytes, &count)
    defer { unsafe plugin_declaration.free_string?(bytes, count) }
    let body = unsafe String(
      decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    return (code, body)
  }

  private func execute(_ tool: String, _ json: String) -> (Int32?, String) {
    let input = Array(json.utf8)
    return unsafe text {
      unsafe plugin_declaration.execute_tool?(tool, input, input.count, $0, $1)
    }
  }

  private func configure(_ json: String) -> Int32? {
    let input = Array(json.utf8)
    return unsafe plugin_declaration.configure?(input, input.count)
  }

  private func start() -> (Int32?, String) {
    unsafe text { unsafe plugin_declaration.`init`?($0, $1) }
  }

  @Test func theDeclaration() throws {
    let folder = try TemporaryFolder()
    let version = unsafe String(cString: plugin_declaration.api_version)
    #expect(version == "0.5.0")
    let size = unsafe MemoryLayout<mcp_plugin>.size
    #expect(size == 80)

    // Before configure, as a schema query does.
    let tools = unsafe text { unsafe plugin_declaration.list_tools?($0, $1) }
    #expect(tools == (0, ToolCatalog.json))
    let schema = unsafe text { unsafe plugin_declaration.get_config_schema?($0, $1) }
    #expect(schema == (0, Configuration.schema))

    #expect(configure("{") == 1)
    let refused = start()
    #expect(refused.0 == 1 && refused.1.hasPrefix(#"{"error":"The configuration is not"#))

    let right = #"{"database_url":"sqlite:\#(folder.path)/p.db"}"#
    #expect(configure(right) == 0)
    #expect(configure(right) == 0)
    #expect(configure("{}") == 2)
    #expect(start() == (0, ""))

    #expect(execute("get_product_price", #"{"product_id":6}"#).1.contains(#""price":18"#))
    #expect(execute("nonsense", "") == (1, #"{"error":"Unknown tool: nonsense"}"#))
  }

  /// A host's slips end in a code, not in a crash.
  @Test func nullPointers() {
    let unnamed = unsafe text { unsafe plugin_declaration.execute_tool?(nil, nil, 0, $0, $1) }
    #expect(unnamed == (1, #"{"error":"Unknown tool: "}"#))
    let nowhere = unsafe plugin_declaration.list_tools?(nil, nil)
    #expect(nowhere == 1)
    unsafe plugin_declaration.free_string?(nil, 0)
  }
}
