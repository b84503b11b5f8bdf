// swift-tools-version: 6.3
import PackageDescription

// The Swift peers under measurement (ours is in the package above). `Benchmarks/Makefile` builds
// their archive and links it with the driver, which has the main function.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "outboard-bench-peers",
  products: [
    .library(name: "BenchPeers", type: .static, targets: ["BenchDispatch", "BenchActor"])
  ],
  targets: [
    .systemLibrary(name: "CBench", path: "swift-c"),
    .target(
      name: "BenchDispatch", dependencies: ["CBench"], path: "dispatch", exclude: ["system.c"],
      swiftSettings: strict),
    .target(
      name: "BenchActor", dependencies: ["CBench"], path: "actor", exclude: ["system.c"],
      swiftSettings: strict),
  ]
)
