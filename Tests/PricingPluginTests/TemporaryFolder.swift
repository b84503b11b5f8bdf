import Glibc

@testable import PricingPlugin

/// A folder of one test's own, removed with it.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/outboard-test-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else { throw PluginFault.database("mkdtemp") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    run("rm", "-rf", path)
  }

  /// Runs a program and waits for it.
  func run(_ arguments: String...) {
    unsafe withUnsafeTemporaryAllocation(
      of: Optional<UnsafeMutablePointer<CChar>>.self,
      capacity: arguments.count + 1
    ) { list in
      for (index, argument) in arguments.enumerated() {
        unsafe list[index] = unsafe strdup(argument)
      }
      unsafe list[arguments.count] = nil
      var child: pid_t = 0
      _ = unsafe posix_spawnp(&child, list[0]!, nil, nil, list.baseAddress!, environ)
      waitpid(child, nil, 0)
      for index in 0..<arguments.count { unsafe free(list[index]) }
    }
  }

  /// Overwrites a file with bytes.
  func write(_ bytes: [UInt8], to path: String) {
    let file = unsafe open(path, O_WRONLY | O_CREAT, 0o600)
    unsafe _ = bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
    close(file)
  }
}
