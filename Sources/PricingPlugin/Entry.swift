internal import CPricingPlugin
internal import Glibc

// The plugin's entry points, as pricing_plugin.h declares them. No error and no trap leaves them:
// each gives the host a code and, where the ABI has room for it, a body.

private let plugin = Plugin()

/// `list_tools`: the catalog, before anything else has been called too.
@c @implementation
public func pricing_list_tools(
  _ buffer: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>!,
  _ length: UnsafeMutablePointer<Int>!
) -> Int32 {
  unsafe give(Reply(json: ToolCatalog.json), buffer, length)
}

/// `get_config_schema`: JSON Schema, before anything else has been called too.
@c @implementation
public func pricing_get_config_schema(
  _ buffer: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>!,
  _ length: UnsafeMutablePointer<Int>!
) -> Int32 {
  unsafe give(Reply(json: Configuration.schema), buffer, length)
}

/// `configure`: 0, 1 for what it does not understand, 2 when configured already.
@c @implementation
public func pricing_configure(_ json: UnsafePointer<UInt8>!, _ length: Int) -> Int32 {
  plugin.configure(json: unsafe bytes(json, length))
}

/// `init`: starts the engine and opens the database; the body says why it failed.
@c @implementation
public func pricing_init(
  _ error: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>!,
  _ errorLength: UnsafeMutablePointer<Int>!
) -> Int32 {
  guard let fault = plugin.start() else { return Reply.ok }
  return unsafe give(Reply(fault), error, errorLength)
}

/// `execute_tool`: any number of threads at once.
@c @implementation
public func pricing_execute_tool(
  _ name: UnsafePointer<CChar>!, _ arguments: UnsafePointer<UInt8>!, _ argumentsLength: Int,
  _ buffer: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>!,
  _ length: UnsafeMutablePointer<Int>!
) -> Int32 {
  let tool = unsafe name.map { unsafe String(cString: $0) } ?? ""
  let reply = plugin.call(tool, json: unsafe bytes(arguments, argumentsLength))
  return unsafe give(reply, buffer, length)
}

/// `free_string`: any thread; NULL is allowed.
@c @implementation
public func pricing_free_string(_ pointer: UnsafeMutablePointer<UInt8>!, _ length: Int) {
  unsafe free(pointer)
}

/// A copy of what the host lends for the call.
private func bytes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
  unsafe Array(UnsafeBufferPointer(start: start, count: start == nil ? 0 : count))
}

/// Hands a reply to the host, which frees it through `free_string`.
private func give(
  _ reply: Reply, _ buffer: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?,
  _ length: UnsafeMutablePointer<Int>?
) -> Int32 {
  guard let buffer = unsafe buffer, let length = unsafe length else { return Reply.failed }
  unsafe buffer.pointee = nil
  unsafe length.pointee = 0
  guard let copy = unsafe malloc(reply.json.count) else { return Reply.failed }
  let bytes = unsafe copy.bindMemory(to: UInt8.self, capacity: reply.json.count)
  unsafe reply.json.withUnsafeBufferPointer { source in
    guard let start = source.baseAddress else { return }
    unsafe bytes.initialize(from: start, count: source.count)
  }
  unsafe buffer.pointee = bytes
  unsafe length.pointee = reply.json.count
  return reply.code
}
