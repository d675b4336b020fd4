#include "sense/network.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>

#include <unistd.h>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

constexpr std::ptrdiff_t kLongestName = 15;       // IFNAMSIZ, less the end
constexpr std::int64_t kFastest = 1'000'000'000;  // Mbit/s; above this it is no speed

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  std::uint64_t total = 0;
  if (__builtin_add_overflow(a, b, &total)) return std::numeric_limits<std::uint64_t>::max();
  return total;
}

/// A cable or a radio is behind it, or it bundles such. Others tell a speed that nobody measured:
/// 10 Gbit/s of every veth pair.
bool is_real_link(const std::string& folder) {
  for (const char* name : {"/device", "/bonding", "/team"}) {
    if (::access((folder + name).c_str(), F_OK) == 0) return true;
  }
  return false;
}

}  // namespace

std::size_t parse_network(std::string_view text, std::vector<InterfaceCounters>& out) {
  out.clear();
  std::size_t left_out = 0;
  Scan scan(text);
  while (!scan.done()) {
    scan.skip_spaces();
    const std::string_view name = scan.until(':', kLongestName + 1);  // no name holds a colon
    if (!name.empty() && scan.take(":")) {  // else it is one of the two lines of headings
      const auto received = scan.number();
      scan.skip_words(1);  // packets
      const auto received_errors = scan.number();
      const auto received_dropped = scan.number();
      scan.skip_words(4);  // fifo frame compressed multicast
      const auto sent = scan.number();
      scan.skip_words(1);  // packets
      const auto sent_errors = scan.number();
      const auto sent_dropped = scan.number();
      if (received && received_errors && received_dropped && sent && sent_errors && sent_dropped) {
        if (out.size() < kMostInterfaces) {
          out.push_back({name, *received, *sent, sum(*received_errors, *sent_errors),
                         sum(*received_dropped, *sent_dropped)});
        } else {
          ++left_out;
        }
      }
    }
    scan.line();
  }
  return left_out;
}

std::optional<double> parse_speed(std::string_view text) {
  const auto megabits = whole_number(text);
  if (!megabits || *megabits <= 0 || *megabits > kFastest) return std::nullopt;
  return static_cast<double>(*megabits) * 1e6 / 8;
}

void read_links(const std::string& root, ReadBuffer& buffer, std::vector<LinkReading>& out) {
  out.clear();
  const std::string top = root + "/sys/class/net";
  for (std::string& name : names_in(top)) {
    if (name == "bonding_masters") continue;  // a switch, not an interface
    if (out.size() == kMostInterfaces) break;
    const std::string folder = top + "/" + name;
    LinkReading link;
    link.name = std::move(name);
    if (const auto text = read_once((folder + "/carrier").c_str(), buffer)) {
      const auto carrier = whole_number(*text);
      if (carrier && (*carrier == 0 || *carrier == 1)) link.up = *carrier == 1;
    } else if (errno == EINVAL) {
      link.up = false;  // it is switched off
    }
    if (is_real_link(folder)) {
      if (const auto text = read_once((folder + "/speed").c_str(), buffer)) {
        link.speed = parse_speed(*text);
      }
    }
    out.push_back(std::move(link));
  }
}

}  // namespace headroom::sense
