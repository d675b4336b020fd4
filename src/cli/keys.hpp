// What was typed: bytes of a terminal become keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace headroom::cli {

struct Key {
  enum class Name {
    text,  ///< one character: `text`
    enter,
    escape,
    backspace,
    tab,
    back_tab,
    up,
    down,
    left,
    right,
    page_up,
    page_down,
    home,
    end,
    wheel_up,
    wheel_down,
    interrupt,  ///< ^C, where the terminal hands it over as a byte
  };
  Name name = Name::text;
  std::string text;  ///< UTF-8, printable; "" for the others
  bool is(std::string_view character) const { return name == Name::text && text == character; }
  bool operator==(const Key&) const = default;
};

/// Cuts what a terminal sends into keys. A sequence that is not known gives nothing; one that is
/// not finished waits for the next bytes, at most 64 of them.
class KeyCutter {
 public:
  std::vector<Key> take(std::string_view bytes);
  /// Nothing came for a while: a lone ESC was the key.
  std::vector<Key> settle();
  bool waits() const { return !rest_.empty(); }

 private:
  std::string rest_;
};

}  // namespace headroom::cli
