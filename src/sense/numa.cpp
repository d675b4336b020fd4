#include "sense/numa.hpp"

#include <cerrno>

#include "sense/scan.hpp"

namespace headroom::sense {

std::optional<NumaReading> parse_node_meminfo(std::string_view text) {
  std::optional<Bytes> total;
  std::optional<Bytes> free;
  NumaReading node;
  Scan scan(text);
  while (!scan.done()) {
    scan.skip_spaces();
    if (scan.take("Node ")) {
      scan.skip_words(1);  // its number
      scan.skip_spaces();
      if (scan.take("MemTotal:")) {
        total = scan.bytes(1024);
      } else if (scan.take("MemFree:")) {
        free = scan.bytes(1024);
      } else if (scan.take("FilePages:")) {
        node.file = scan.bytes(1024);
      }
    }
    scan.line();
  }
  if (!total || !free) return std::nullopt;
  node.total = *total;
  node.free = *free;
  return node;
}

void read_numa(const std::string& root, ReadBuffer& buffer, std::vector<NumaReading>& out,
               std::vector<Absence>& absent) {
  out.clear();
  const std::string top = root + "/sys/devices/system/node";
  std::vector<std::pair<int, std::string>> nodes;
  std::size_t left_out = 0;
  for (const std::string& name : names_in(top)) {
    Scan scan(name);
    if (!scan.take("node")) continue;
    const auto number = scan.number();
    if (!number || !scan.done() || *number > 1'000'000) continue;
    if (nodes.size() < kMostNodes) {
      nodes.emplace_back(static_cast<int>(*number), top + "/" + name + "/meminfo");
    } else {
      ++left_out;
    }
  }
  if (nodes.size() < 2) return;
  for (const auto& [number, path] : nodes) {
    const auto text = read_once(path.c_str(), buffer);
    const int problem = text ? KernelFile::kGarbled : errno;
    auto node = text ? parse_node_meminfo(*text) : std::nullopt;
    if (!node) {
      absent.push_back({"numa node" + std::to_string(number), reason_of(path, problem), ""});
      continue;
    }
    if (node->total <= Bytes()) continue;  // processors without memory of their own
    node->number = number;
    out.push_back(*node);
  }
  if (left_out > 0) {
    absent.push_back({"numa",
                      std::to_string(left_out) + " more memory nodes are there than the " +
                          std::to_string(kMostNodes) + " that are told",
                      ""});
  }
}

}  // namespace headroom::sense
