// swift-tools-version: 6.3
import PackageDescription

// A package as a stranger would write it. It depends on Outboard by path and needs libuv1-dev only:
//   swift run --package-path Tests/SwiftConsumer
let package = Package(
  name: "SwiftConsumer",
  dependencies: [.package(name: "outboard", path: "../..")],
  targets: [
    .executableTarget(
      name: "SwiftConsumer", dependencies: [.product(name: "Outboard", package: "outboard")])
  ]
)
