// One number for everything that happened in a run: equal runs have equal digests.
#pragma once

#include <cstdint>
#include <string_view>

#include "words/effect.hpp"

namespace headroom::simulate {

/// FNV-1a over the numbers and texts that it is given.
class Digest {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) step(static_cast<std::uint8_t>(c));
    step(0);
  }
  void add(std::int64_t number) {
    for (int i = 0; i < 8; ++i)
      step(static_cast<std::uint8_t>(static_cast<std::uint64_t>(number) >> (8 * i)));
  }
  void add(const Event& event);
  void add(const Effect& effect);
  void add(const Record& record);
  std::uint64_t value() const { return hash_; }

 private:
  void step(std::uint8_t byte) { hash_ = (hash_ ^ byte) * 1099511628211U; }
  std::uint64_t hash_ = 14695981039346656037U;
};

}  // namespace headroom::simulate
