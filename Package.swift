// swift-tools-version: 6.3
import PackageDescription

/// Swift settings of every target of this package. Warnings are errors here; a package that
/// depends on this one builds it with its warnings suppressed.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

/// The same without the scheduling and executor SPI of the Swift runtime: what a compiler gets that
/// Outboard does not know yet. `OUTBOARD_NO_SPI=1 swift test` builds and tests that branch.
let withoutSPI = Context.environment["OUTBOARD_NO_SPI"] != nil
let settings = strict + (withoutSPI ? [.define("OUTBOARD_NO_SPI")] : [])

let package = Package(
  name: "outboard",
  products: [
    .library(name: "Outboard", targets: ["Outboard"]),
    .library(name: "PricingPlugin", type: .static, targets: ["PricingPlugin"]),
  ],
  targets: [
    // The engine.
    .systemLibrary(
      name: "CLibuv", path: "CSources/CLibuv", pkgConfig: "libuv",
      providers: [.apt(["libuv1-dev"]), .brew(["libuv"])]),
    .target(
      name: "COutboard", dependencies: ["CLibuv"], path: "CSources/COutboard",
      exclude: ["DESIGN.md", "package"], sources: ["src"], publicHeadersPath: "include"),
    .target(name: "Outboard", dependencies: ["COutboard"], swiftSettings: settings),

    // The example plugin.
    .systemLibrary(
      name: "CSQLite", path: "CSources/CSQLite", pkgConfig: "sqlite3",
      providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite"])]),
    .target(
      name: "CPluginABI", path: "CSources/CPluginABI", exclude: ["link"], sources: ["src"],
      publicHeadersPath: "include"),
    .target(
      name: "CPricingPlugin", dependencies: ["COutboard", "CPluginABI"],
      path: "CSources/CPricingPlugin", publicHeadersPath: "include"),
    .target(
      name: "PricingPlugin",
      dependencies: ["Outboard", "CPricingPlugin", "CPluginABI", "CSQLite"],
      swiftSettings: settings),

    // The Swift side of the benchmarks: `swift run -c release outboard-bench --help`.
    .systemLibrary(name: "CBench", path: "Benchmarks/swift-c"),
    .target(
      name: "BenchDriver", path: "Benchmarks/common", exclude: ["uv_echo.c"],
      publicHeadersPath: "."),
    .target(
      name: "BenchOutboard", dependencies: ["Outboard", "CBench"],
      path: "Benchmarks/outboard-swift", exclude: ["main"], swiftSettings: settings),
    .executableTarget(
      name: "outboard-bench", dependencies: ["BenchDriver", "BenchOutboard"],
      path: "Benchmarks/outboard-swift/main"),

    // Tests.
    .target(
      name: "CTestSupport", dependencies: ["COutboard", "CLibuv"], path: "Tests/CTestSupport"),
    .testTarget(
      name: "OutboardTests", dependencies: ["Outboard", "CTestSupport"], swiftSettings: settings),
    .executableTarget(
      name: "ForkProbe", dependencies: ["Outboard", "CTestSupport"], path: "Tests/ForkProbe",
      swiftSettings: settings),
    .executableTarget(
      name: "AllocProbe", dependencies: ["Outboard"], path: "Tests/AllocProbe",
      swiftSettings: settings),
    .testTarget(
      name: "PricingPluginTests",
      dependencies: ["PricingPlugin", "CPricingPlugin", "CPluginABI"],
      swiftSettings: settings),
  ],
  cLanguageStandard: .gnu11
)
