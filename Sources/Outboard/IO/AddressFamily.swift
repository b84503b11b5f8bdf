/// Which kind of IP addresses a name is looked up for.
public enum AddressFamily: Int32, Sendable, Hashable {
  /// Both.
  case any = 0
  /// IPv4.
  case ip4 = 1
  /// IPv6.
  case ip6 = 2
}
