#include "sense/network.hpp"

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

constexpr std::ptrdiff_t kLongestName = 15;  // IFNAMSIZ, less the end

}  // namespace

void parse_network(std::string_view text, std::vector<InterfaceCounters>& out) {
  out.clear();
  Scan scan(text);
  while (!scan.done()) {
    scan.skip_spaces();
    const std::string_view name = scan.until(':', kLongestName + 1);  // no name holds a colon
    if (!name.empty() && scan.take(":")) {  // else it is one of the two lines of headings
      const auto received = scan.number();
      scan.skip_words(7);  // packets errs drop fifo frame compressed multicast
      const auto sent = scan.number();
      if (received && sent) out.push_back({name, *received, *sent});
    }
    scan.line();
  }
}

}  // namespace headroom::sense
