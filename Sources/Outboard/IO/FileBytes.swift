internal import COutboard

/// What is done with files on a pool thread.
enum FileBytes {
  static func open(
    _ path: String, _ flags: UInt32, permissions: UInt32
  ) throws(EngineError) -> FileDescriptorBox {
    let fd = unsafe ob_spi_file_open(path, flags, permissions)
    guard fd >= 0 else { throw .io(-fd, "open \(path)") }
    return FileDescriptorBox(fd, path)
  }

  /// The system writes into the array that is returned.
  static func read(
    _ box: FileDescriptorBox, _ count: Int, at offset: Int
  ) throws(EngineError) -> [UInt8] {
    // A file is not as long as some ask for.
    let size = try box.use { ob_spi_file_size($0) }
    guard size >= 0 else { throw .io(Int32(-size), "read \(box.path)") }
    // Those of /proc say 0 and hold something nevertheless.
    let room = size > 0 ? min(count, max(Int(size) - offset, 0)) : min(count, 65_536)
    // The library would write to the one empty array that all share: ThreadSanitizer sees it.
    if room == 0 { return [] }
    var failure: EngineError?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
      do throws(EngineError) {
        let answer = try box.use { fd in
          unsafe ob_spi_file_read(fd, buffer.baseAddress, buffer.count, Int64(offset))
        }
        filled = max(answer, 0)
        if answer < 0 { failure = .io(Int32(-answer), "read \(box.path)") }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  static func write(
    _ box: FileDescriptorBox, _ bytes: [UInt8], at offset: Int
  ) throws(EngineError) {
    let code = try box.use { fd in
      unsafe bytes.withUnsafeBytes { bytes in
        unsafe ob_spi_file_write(fd, bytes.baseAddress, bytes.count, Int64(offset))
      }
    }
    guard code == 0 else { throw .io(code, "write \(box.path)") }
  }

  static func sync(_ box: FileDescriptorBox) throws(EngineError) {
    let code = try box.use { ob_spi_file_sync($0) }
    guard code == 0 else { throw .io(code, "write \(box.path) to the disk") }
  }

  /// The whole of a file.
  static func readAll(_ path: String, limit: Int) throws(EngineError) -> [UInt8] {
    let box = try open(path, OB_FILE_READ.rawValue, permissions: 0)
    var bytes: [UInt8] = []
    while bytes.count <= limit {
      // One more than the limit, which tells the end from too much.
      let room = min(limit - bytes.count, .max - 1) + 1
      let more = try read(box, room, at: bytes.count)
      if more.isEmpty { return bytes }
      if bytes.isEmpty { bytes = more } else { bytes += more }
    }
    throw .tooLarge("\(path) has more than \(limit) bytes")
  }

  /// In place of a file: under another name first, so that whoever reads, and whatever happens, finds
  /// the old or the new.
  static func replace(
    _ path: String, _ bytes: [UInt8], permissions: UInt32
  ) throws(EngineError) {
    let other = "\(path).\(ob_spi_now())~"
    let flags = OB_FILE_WRITE.rawValue | OB_FILE_NEW.rawValue
    let box = try open(other, flags, permissions: permissions)
    do throws(EngineError) {
      try write(box, bytes, at: 0)
      try sync(box)
      let code = unsafe ob_spi_file_rename(other, path)
      guard code == 0 else { throw .io(code, "put \(path) in its place") }
    } catch {
      unsafe ob_spi_file_remove(other)
      throw error
    }
  }
}
