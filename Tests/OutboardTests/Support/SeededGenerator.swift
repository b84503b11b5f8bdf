/// Random numbers that are the same for the same seed: SplitMix64 (Steele, Lea, Flood, 2014).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// - Parameters:
  ///   - seed: To be named by whatever fails.
  ///   - what: Prints the seed under this name; nil where failures name it.
  init(_ seed: UInt64, for what: String? = nil) {
    state = seed
    if let what { print("\(what): seed \(seed)") }
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}
