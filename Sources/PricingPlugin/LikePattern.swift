/// Patterns for SQL's LIKE that match a text literally.
enum LikePattern {
  /// The character to name in `ESCAPE`.
  static let escape: Character = "\\"

  /// A pattern for every string that contains `text`; `%`, `_` and the escape
  /// itself stand for themselves.
  static func containing(_ text: String) -> String {
    var pattern = "%"
    for character in text.unicodeScalars {
      if character == "%" || character == "_" || character == "\\" {
        pattern.unicodeScalars.append("\\")
      }
      pattern.unicodeScalars.append(character)
    }
    return pattern + "%"
  }
}
