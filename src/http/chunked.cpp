#include "http/chunked.hpp"

#include <algorithm>

namespace headroom::http {
namespace {

/// Extensions and trailers mean nothing here; this much of them is put up with.
constexpr std::size_t kSkippedLimit = 4096;
constexpr int kDigitsLimit = 16;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

ChunkDecoder::State ChunkDecoder::take(char c) {
  switch (at_) {
    case At::size: {
      const int digit = hex_digit(c);
      if (digit >= 0) {
        if (++digits_ > kDigitsLimit) return State::bad;
        if (size_ > (left_ >> 4)) return State::too_large;  // so the shift cannot overflow either
        size_ = (size_ << 4) | static_cast<std::uint64_t>(digit);
        return size_ > left_ ? State::too_large : State::more;
      }
      if (digits_ == 0) return State::bad;
      digits_ = 0;
      if (c == '\r') {
        at_ = At::size_end;
        return State::more;
      }
      if (c != ';' && c != ' ' && c != '\t') return State::bad;
      at_ = At::extension;
      return State::more;
    }
    case At::extension:
      if (c == '\n' || ++skipped_ > kSkippedLimit) return State::bad;
      if (c == '\r') at_ = At::size_end;
      return State::more;
    case At::size_end:
      if (c != '\n') return State::bad;
      left_ -= size_;
      at_ = size_ == 0 ? At::trailer_first : At::data;
      return State::more;
    case At::data:
      return State::more;  // taken in bulk by feed()
    case At::data_cr:
      if (c != '\r') return State::bad;
      at_ = At::data_lf;
      return State::more;
    case At::data_lf:
      if (c != '\n') return State::bad;
      at_ = At::size;
      return State::more;
    case At::trailer_first:
      if (c == '\r') {
        at_ = At::last_lf;
        return State::more;
      }
      at_ = At::trailer;
      [[fallthrough]];
    case At::trailer:
      if (c == '\n' || ++skipped_ > kSkippedLimit) return State::bad;
      if (c == '\r') at_ = At::trailer_end;
      return State::more;
    case At::trailer_end:
      if (c != '\n') return State::bad;
      at_ = At::trailer_first;
      return State::more;
    case At::last_lf:
      return c == '\n' ? State::done : State::bad;
  }
  return State::bad;
}

ChunkDecoder::Step ChunkDecoder::feed(std::string_view in, std::string& out) {
  std::size_t used = 0;
  while (used < in.size()) {
    if (at_ == At::data) {
      const std::size_t n = std::min<std::size_t>(size_, in.size() - used);
      out.append(in.substr(used, n));
      used += n;
      size_ -= n;
      if (size_ == 0) at_ = At::data_cr;
      continue;
    }
    const State state = take(in[used]);
    ++used;
    if (state != State::more) return {state, used};
  }
  return {State::more, used};
}

}  // namespace headroom::http
