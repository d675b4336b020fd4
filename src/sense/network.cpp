#include "sense/network.hpp"

#include <algorithm>

#include "sense/scan.hpp"

namespace headroom::sense {

void parse_network(std::string_view text, std::vector<InterfaceCounters>& out) {
  out.clear();
  Scan scan(text);
  while (!scan.done()) {
    std::string_view line = scan.line();
    // Names may hold a colon (old alias interfaces), numbers never do: the last one ends the name.
    const std::size_t colon = line.rfind(':');
    if (colon == std::string_view::npos) continue;  // the two lines of headings
    std::string_view name = line.substr(0, colon);
    name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
    Scan fields(line.substr(colon + 1));
    const auto received = fields.number();
    fields.skip_words(7);  // packets errs drop fifo frame compressed multicast
    const auto sent = fields.number();
    if (!name.empty() && received && sent) out.push_back({name, *received, *sent});
  }
}

}  // namespace headroom::sense
