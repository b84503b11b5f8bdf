import FoundationEssentials
import Testing

@testable import PricingPlugin

/// Decimals, ids, patterns, texts: all that has no database.
@Suite(.timeLimit(.minutes(1)))
struct ValueTests {
  @Test(arguments: [
    ("0", "0"), ("19.99", "19.99"), ("19.90", "19.9"), ("-5.10", "-5.1"), ("0.07", "0.07"),
    ("007", "7"), ("18", "18"), ("0.1", "0.1"),
    ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
    ("0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001"),
  ])
  func decimalsAreExact(text: String, json: String) throws {
    let price = try #require(ExactDecimal.parse(text))
    let body = Reply(Product(id: 1, name: "n", price: price, description: nil)).json
    #expect(
      String(decoding: body, as: UTF8.self)
        == #"{"description":null,"id":1,"name":"n","price":\#(json)}"#)
  }

  @Test(arguments: [
    "", "-", ".", "1.", ".5", "1e3", "+1", "1,5", " 1", "1 ", "NaN", "0x10", "1.2.3", "--1", "１",
    "123456789012345678901234567890123456789", "0.000000000000000000000000000000000000001",
    "1\u{0}2",
  ])
  func whatIsNoExactDecimalIsRefused(text: String) {
    #expect(ExactDecimal.parse(text) == nil)
  }

  @Test(arguments: [
    ("1", Int64(1)), ("-1", -1), ("0", 0), ("9223372036854775807", .max),
    ("-9223372036854775808", .min), ("4294967297", 4_294_967_297),
  ])
  func idsHave64Bits(text: String, id: Int64) throws {
    let json = Array(#"{"product_id":\#(text)}"#.utf8)
    #expect(try ToolCall(name: "get_product_price", json: json) == .price(id))
  }

  @Test(arguments: [
    (#"{"product_id":9223372036854775808}"#, "product_id must be an integer of 64 bits"),
    (#"{"product_id":-9223372036854775809}"#, "product_id must be an integer of 64 bits"),
    (#"{"product_id":1.5}"#, "product_id must be an integer of 64 bits"),
    (#"{"product_id":"1"}"#, "product_id must be an integer"),
    (#"{"product_id":null}"#, "product_id must be an integer"),
    (#"{"product_id":true}"#, "product_id must be an integer"),
    (#"{}"#, "product_id is missing"),
    ("", "product_id is missing"),
    ("[]", "The arguments are not a JSON object"),
    ("{\"product_id\":1", "The arguments are not a JSON object"),
    ("\u{0}", "The arguments are not a JSON object"),
  ])
  func wrongIdsAreExplained(json: String, reason: String) {
    let fault = #expect(throws: PluginFault.self) {
      try ToolCall(name: "get_product_price", json: Array(json.utf8))
    }
    #expect(fault?.description.hasPrefix(reason) == true, "\(fault as Any)")
  }

  @Test func argumentsThatAreNotUTF8OrTooDeepAreRefused() {
    #expect(throws: PluginFault.self) {
      try ToolCall(name: "search_products", json: [0x7B, 0x22, 0xFF, 0x22, 0x7D])
    }
    let deep = Array(repeating: UInt8(ascii: "["), count: 100_000)
    #expect(throws: PluginFault.self) { try ToolCall(name: "search_products", json: deep) }
  }

  @Test func otherCalls() throws {
    #expect(
      try ToolCall(name: "search_products", json: Array(#"{"query":"a%"}"#.utf8)) == .search("a%"))
    #expect(try ToolCall(name: "health", json: []) == .health)
    #expect(throws: PluginFault.unknownTool("nonsense")) {
      try ToolCall(name: "nonsense", json: [])
    }
    #expect(throws: PluginFault.invalid("query is missing")) {
      try ToolCall(name: "search_products", json: Array("{}".utf8))
    }
    #expect(throws: PluginFault.invalid("query must be a string")) {
      try ToolCall(name: "search_products", json: Array(#"{"query":1}"#.utf8))
    }
    let long = #"{"query":"\#(String(repeating: "x", count: 1001))"}"#
    #expect(throws: PluginFault.invalid("query must not be longer than 1000 bytes")) {
      try ToolCall(name: "search_products", json: Array(long.utf8))
    }
  }

  @Test(arguments: [
    ("", "%%"), ("abc", "%abc%"), ("100%", #"%100\%%"#), ("a_b", #"%a\_b%"#),
    (#"\"#, #"%\\%"#), ("ä%", #"%ä\%%"#), ("%\u{301}", "%\\%\u{301}%"),
  ])
  func likePatterns(text: String, pattern: String) {
    #expect(Array(LikePattern.containing(text).utf8) == Array(pattern.utf8))
  }

  @Test(arguments: [
    (Duration.seconds(30), "30"), (.milliseconds(250), "0.25"), (.milliseconds(1), "0.001"),
    (.milliseconds(3_599_999), "3599.999"), (.milliseconds(1500), "1.5"),
  ])
  func secondsInMessages(duration: Duration, text: String) {
    #expect(duration.secondsText == text)
  }

  @Test func errorBodiesAreEscaped() {
    let reply = Reply(PluginFault.invalid("a \"quoted\" \n \u{1}/text"))
    #expect(reply.code == 1)
    #expect(
      String(decoding: reply.json, as: UTF8.self)
        == #"{"error":"a \"quoted\" \n \u0001/text"}"#)
    #expect(PluginFault.notFound(7).description == "Product 7 not found")
  }

  @Test func theCatalogIsAnArrayOfTools() throws {
    struct Tool: Decodable {
      struct Schema: Decodable {
        struct Property: Decodable {
          var type: String
          var description: String
        }
        var type: String
        var properties: [String: Property]
        var required: [String]
      }
      var name: String
      var description: String
      var inputSchema: Schema
    }
    let tools = try JSONDecoder().decode([Tool].self, from: Data(ToolCatalog.json.utf8))
    #expect(tools.map(\.name) == ["get_product_price", "search_products", "health"])
    for tool in tools {
      #expect(tool.inputSchema.type == "object")
      #expect(Set(tool.inputSchema.properties.keys) == Set(tool.inputSchema.required))
    }
  }
}
