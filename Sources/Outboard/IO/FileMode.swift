internal import COutboard

/// How a file is opened.
public enum FileMode: Sendable, Hashable {
  /// To read one that is there.
  case read
  /// To read and write; made if it is not there.
  case readWrite
  /// To read and write a new one; one that is there is an error (`EEXIST`).
  case new

  /// The core's flags.
  var flags: UInt32 {
    switch self {
    case .read: OB_FILE_READ.rawValue
    case .readWrite: OB_FILE_READ.rawValue | OB_FILE_WRITE.rawValue | OB_FILE_CREATE.rawValue
    case .new: OB_FILE_READ.rawValue | OB_FILE_WRITE.rawValue | OB_FILE_NEW.rawValue
    }
  }
}
