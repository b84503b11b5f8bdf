/// What an empty database is filled with.
enum SampleProducts {
  struct Sample {
    var id: Int64
    var name: String
    var price: String
    var text: String
  }

  /// Some are there for the sake of tests: a price that no binary fraction holds, a name with
  /// LIKE's wildcards, the largest id.
  static let all = [
    Sample(id: 1, name: "Espresso Machine", price: "449.95", text: "15 bar pump, one group"),
    Sample(id: 2, name: "Coffee Grinder", price: "129.10", text: "Conical burrs, 40 g hopper"),
    Sample(id: 3, name: "Gooseneck Kettle", price: "79.99", text: "0.9 l, variable temperature"),
    Sample(id: 4, name: "Digital Scale", price: "24.50", text: "0.1 g steps up to 2 kg"),
    Sample(id: 5, name: "Paper Filters", price: "0.07", text: "Each; sold by the hundred"),
    Sample(id: 6, name: "Milk Pitcher", price: "18", text: "600 ml, stainless steel"),
    Sample(id: 7, name: "100% Arabica Beans", price: "13.37", text: "1 kg, medium roast"),
    Sample(id: 8, name: "Tamper_58", price: "32.25", text: "58 mm, flat base"),
    Sample(
      id: 9, name: "Plantation Futures", price: "1234567890123456.789012345678",
      text: "A price with 28 digits"),
    Sample(
      id: .max, name: "Last Product", price: "0.1", text: "The largest id that there is"),
  ]
}
