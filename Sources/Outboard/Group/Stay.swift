internal import Synchronization

/// One call's stay on an engine of a group, for its load. Ends once: when the body has, or when it
/// is dropped without having run.
final class Stay: Sendable {
  let member: Member
  private let ended = Atomic<Bool>(false)

  init(_ member: Member) {
    self.member = member
    member.begin()
  }

  func end() {
    if !ended.exchange(true, ordering: .relaxed) { member.end() }
  }

  deinit { end() }
}
