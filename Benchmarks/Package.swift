// swift-tools-version: 6.3
import PackageDescription

// The Swift systems under measurement. `Benchmarks/Makefile` builds their archive and links it with
// the driver, which has the main function.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "outboard-bench",
  products: [
    .library(name: "BenchOutboard", type: .static, targets: ["BenchOutboard"]),
    .library(name: "BenchPeers", type: .static, targets: ["BenchDispatch", "BenchActor"]),
  ],
  dependencies: [.package(name: "outboard", path: "..")],
  targets: [
    .systemLibrary(name: "CBench", path: "swift-c"),
    .target(
      name: "BenchOutboard",
      dependencies: ["CBench", .product(name: "Outboard", package: "outboard")],
      path: "outboard-swift", exclude: ["system.c"], swiftSettings: strict),
    .target(
      name: "BenchDispatch", dependencies: ["CBench"], path: "dispatch", exclude: ["system.c"],
      swiftSettings: strict),
    .target(
      name: "BenchActor", dependencies: ["CBench"], path: "actor", exclude: ["system.c"],
      swiftSettings: strict),
  ]
)
