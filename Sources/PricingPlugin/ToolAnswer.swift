/// What a tool found, before it is JSON: that is made on the host's thread, not on the loop.
enum ToolAnswer: Sendable {
  case product(Product)
  case found(SearchResult)
  case health(HealthReport)
}

extension Reply {
  init(_ answer: ToolAnswer) {
    switch answer {
    case .product(let product): self.init(product)
    case .found(let result): self.init(result)
    case .health(let report): self.init(report)
    }
  }
}
