#include "record/codec.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "record/bytes.hpp"

namespace headroom::record {
namespace {

// A column: slots (varint), exponent of the quantum (zigzag varint), number of runs (varint, 0 = no
// gaps) and their lengths (varints, present and absent in turns), the first value in quanta
// (zigzag varint), the common divisor (varint), then a bit stream: the values less the first, by
// the divisor, in parts of kPart.
//
// A part picks the difference that is cheapest (none, first, second; less a centre), and the
// cheapest way to write it: nothing where all is zero, Rice's code, runs of zeros with the rest in
// Rice's code, or places in a short list of what occurs.
constexpr std::size_t kPart = 128;
constexpr std::size_t kListed = 16;
constexpr std::uint64_t kEscape = 20;  // so many ones, and the number follows as it is
constexpr int kDecimals = 3;
constexpr double kExact = 9007199254740992.0;  // 2^53
constexpr double kLargest = 1e30;
constexpr int kExponentMost = 26;  // of 1e30 less four digits
constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

constexpr std::array<double, 31> kTens = [] {
  std::array<double, 31> tens{};
  // 1e22 is the last that is exact; beyond it the rounding of the product is far below a quantum.
  double ten = 1;
  for (double& each : tens) {
    each = ten;
    ten *= 10;
  }
  return tens;
}();

enum class Difference : std::uint8_t { none, first, second };
enum class Way : std::uint8_t { zero, rice, runs, list };

int bits_of(std::uint64_t value) { return static_cast<int>(std::bit_width(value)); }

// ------------------------------------------------------------------------------------- the bits

class BitWriter {
 public:
  explicit BitWriter(std::string& out) : out_(out) {}
  void put(std::uint64_t value, int count) {
    if (count > 32) {
      put(value >> 32, count - 32);
      value &= 0xffffffffU;
      count = 32;
    }
    held_ = held_ << count | value;
    bits_ += count;
    while (bits_ >= 8) {
      bits_ -= 8;
      out_ += static_cast<char>(held_ >> bits_);
    }
    held_ &= (std::uint64_t{1} << bits_) - 1;
  }
  void finish() {
    if (bits_ > 0) put(0, 8 - bits_);
  }

 private:
  std::string& out_;
  std::uint64_t held_ = 0;
  int bits_ = 0;
};

// Beyond the end it gives zeros and remembers.
class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : bytes_(bytes), end_(bytes.size() * 8) {}
  std::uint64_t take(int count) {
    if (count > 32) {
      const std::uint64_t high = take(count - 32);
      return high << 32 | take(32);
    }
    if (count == 0) return 0;
    const std::uint64_t seen = look();
    at_ += static_cast<std::size_t>(count);
    return seen >> (64 - count);
  }
  // Ones up to the first zero, which is taken too; at most `most`, and then no zero follows.
  std::uint64_t ones(std::uint64_t most) {
    const auto seen = static_cast<std::uint64_t>(std::countl_one(look()));
    if (seen >= most) {
      at_ += most;
      return most;
    }
    at_ += seen + 1;
    return seen;
  }
  bool over() const { return at_ > end_; }
  // Nothing but the padding of the last byte is left.
  bool at_end() const { return at_ <= end_ && end_ - at_ < 8; }

 private:
  // The next 32 bits at least, leftmost first.
  std::uint64_t look() const {
    const std::size_t byte = at_ / 8;
    std::uint64_t word = 0;
    if (std::endian::native == std::endian::little && byte + 8 <= bytes_.size()) {
      std::memcpy(&word, bytes_.data() + byte, sizeof word);
      word = __builtin_bswap64(word);
    } else {
      for (std::size_t i = 0; i < 8; ++i) {
        const bool there = byte + i < bytes_.size();
        word = word << 8 | (there ? static_cast<unsigned char>(bytes_[byte + i]) : 0U);
      }
    }
    return word << (at_ % 8);
  }

  std::string_view bytes_;
  std::size_t end_;
  std::size_t at_ = 0;
};

// A number with its length in front.
std::size_t cost_of_plain(std::uint64_t value) {
  return 6 + static_cast<std::size_t>(std::min(bits_of(value), 63));
}
void put_plain(BitWriter& bits, std::uint64_t value) {
  const int length = bits_of(value);
  bits.put(static_cast<std::uint64_t>(length), 6);
  bits.put(value, length);
}
std::uint64_t take_plain(BitReader& bits) { return bits.take(static_cast<int>(bits.take(6))); }

// Rice's code with `low` low bits.
std::size_t cost_of_rice(std::uint64_t value, int low) {
  const std::uint64_t high = value >> low;
  return high < kEscape ? high + 1 + static_cast<std::size_t>(low) : kEscape + cost_of_plain(value);
}
void put_rice(BitWriter& bits, std::uint64_t value, int low) {
  const std::uint64_t high = value >> low;
  if (high < kEscape) {
    bits.put((std::uint64_t{2} << high) - 2, static_cast<int>(high) + 1);
    bits.put(value & ((std::uint64_t{1} << low) - 1), low);
    return;
  }
  bits.put((std::uint64_t{1} << kEscape) - 1, static_cast<int>(kEscape));
  put_plain(bits, value);
}
std::uint64_t take_rice(BitReader& bits, int low) {
  const std::uint64_t high = bits.ones(kEscape);
  if (high == kEscape) return take_plain(bits);
  return high << low | bits.take(low);
}

// The low bits that make these cheapest: near the mean's own length.
int best_low(std::span<const std::uint64_t> values, std::size_t& cost) {
  // Without the few that would be escaped anyway.
  std::uint64_t sum = 0;
  for (const std::uint64_t value : values) sum += std::min<std::uint64_t>(value, 1ULL << 48);
  const int middle = values.empty() ? 0 : bits_of(sum / values.size());
  int best = 0;
  cost = std::numeric_limits<std::size_t>::max();
  for (int low = std::max(0, middle - 5); low <= middle + 1; ++low) {
    std::size_t now = 0;
    for (const std::uint64_t value : values) now += cost_of_rice(value, low);
    if (now < cost) {
      cost = now;
      best = low;
    }
  }
  return best;
}

// ---------------------------------------------------------------------------------------- parts

// How one part is written.
struct Plan {
  Difference difference = Difference::none;
  Way way = Way::zero;
  std::int64_t centre = 0;
  int low = 0;       // of the values
  int low_runs = 0;  // of the runs of zeros
  std::size_t cost = std::numeric_limits<std::size_t>::max();
  std::vector<std::uint64_t> left;    // what the centre leaves, as zigzag
  std::vector<std::uint64_t> listed;  // what occurs, ascending
};

void consider(Plan& best, Difference difference, std::span<const std::int64_t> values,
              std::int64_t centre) {
  Plan plan;
  plan.difference = difference;
  plan.centre = centre;
  plan.left.reserve(values.size());
  for (const std::int64_t value : values) plan.left.push_back(zigzag(value - centre));
  const std::size_t head = 4 + cost_of_plain(zigzag(centre));
  const auto offer = [&](Way way, std::size_t cost) {
    if (head + cost >= plan.cost) return;
    plan.way = way;
    plan.cost = head + cost;
  };

  std::vector<std::uint64_t> some;   // what is not zero, less one
  std::vector<std::uint64_t> zeros;  // how many zeros before each of them
  std::uint64_t run = 0;
  for (const std::uint64_t each : plan.left) {
    if (each == 0) {
      ++run;
      continue;
    }
    zeros.push_back(run);
    some.push_back(each - 1);
    run = 0;
  }
  if (some.empty()) {
    offer(Way::zero, 0);
  } else {
    std::size_t cost = 0;
    const int low = best_low(plan.left, cost);
    offer(Way::rice, 6 + cost);
    plan.low = low;
    if (zeros.size() * 2 < plan.left.size()) {
      std::size_t cost_runs = 0;
      const int low_runs = best_low(zeros, cost_runs);
      std::size_t cost_some = 0;
      const int low_some = best_low(some, cost_some);
      offer(Way::runs, 8 + 12 + cost_runs + cost_some);
      if (plan.way == Way::runs) {
        plan.low = low_some;
        plan.low_runs = low_runs;
      }
    }
    plan.listed = plan.left;
    std::sort(plan.listed.begin(), plan.listed.end());
    plan.listed.erase(std::unique(plan.listed.begin(), plan.listed.end()), plan.listed.end());
    if (plan.listed.size() <= kListed) {
      std::size_t cost_list =
          4 + plan.left.size() * static_cast<std::size_t>(bits_of(plan.listed.size() - 1));
      for (const std::uint64_t each : plan.listed) cost_list += cost_of_plain(each);
      offer(Way::list, cost_list);
    }
  }
  if (plan.cost < best.cost) best = std::move(plan);
}

void write_part(BitWriter& bits, const Plan& plan) {
  bits.put(static_cast<std::uint64_t>(plan.difference), 2);
  bits.put(static_cast<std::uint64_t>(plan.way), 2);
  put_plain(bits, zigzag(plan.centre));
  switch (plan.way) {
    case Way::zero:
      break;
    case Way::rice:
      bits.put(static_cast<std::uint64_t>(plan.low), 6);
      for (const std::uint64_t each : plan.left) put_rice(bits, each, plan.low);
      break;
    case Way::runs: {
      const auto some = static_cast<std::uint64_t>(
          std::count_if(plan.left.begin(), plan.left.end(), [](auto each) { return each != 0; }));
      bits.put(some, 8);
      bits.put(static_cast<std::uint64_t>(plan.low_runs), 6);
      bits.put(static_cast<std::uint64_t>(plan.low), 6);
      std::uint64_t run = 0;
      for (const std::uint64_t each : plan.left) {
        if (each == 0) {
          ++run;
          continue;
        }
        put_rice(bits, run, plan.low_runs);
        put_rice(bits, each - 1, plan.low);
        run = 0;
      }
      break;
    }
    case Way::list: {
      bits.put(plan.listed.size() - 1, 4);
      for (const std::uint64_t each : plan.listed) put_plain(bits, each);
      const int width = bits_of(plan.listed.size() - 1);
      for (const std::uint64_t each : plan.left) {
        const auto at = std::lower_bound(plan.listed.begin(), plan.listed.end(), each);
        bits.put(static_cast<std::uint64_t>(at - plan.listed.begin()), width);
      }
      break;
    }
  }
}

// Reads what the centre left of `count` values, as zigzag. False: nobody wrote this.
bool read_left(BitReader& bits, Way way, std::span<std::uint64_t> left) {
  switch (way) {
    case Way::zero:
      std::fill(left.begin(), left.end(), 0);
      return true;
    case Way::rice: {
      const int low = static_cast<int>(bits.take(6));
      for (std::uint64_t& each : left) each = take_rice(bits, low);
      return true;
    }
    case Way::runs: {
      const std::uint64_t some = bits.take(8);
      const int low_runs = static_cast<int>(bits.take(6));
      const int low = static_cast<int>(bits.take(6));
      std::fill(left.begin(), left.end(), 0);
      std::size_t at = 0;
      for (std::uint64_t i = 0; i < some; ++i) {
        const std::uint64_t run = take_rice(bits, low_runs);
        if (run >= left.size() - at) return false;
        at += run;
        left[at++] = take_rice(bits, low) + 1;
        if (at == left.size()) return i + 1 == some;
      }
      return true;
    }
    case Way::list: {
      std::array<std::uint64_t, kListed> listed{};
      const std::uint64_t last = bits.take(4);
      for (std::uint64_t i = 0; i <= last; ++i) listed[i] = take_plain(bits);
      const int width = bits_of(last);
      for (std::uint64_t& each : left) {
        const std::uint64_t at = bits.take(width);
        if (at > last) return false;
        each = listed[at];
      }
      return true;
    }
  }
  return false;
}

// -------------------------------------------------------------------------------------- quanta

bool gap(double value) { return !std::isfinite(value) || std::abs(value) > kLargest; }

// The exponent of the quantum: exact where the values are decimal, else by the largest.
int exponent_of(std::span<const double> values) {
  int decimals = 0;
  double largest = 0;
  bool exact = true;
  for (const double value : values) {
    if (gap(value)) continue;
    largest = std::max(largest, std::abs(value));
    while (exact) {
      const double scaled = value * kTens[static_cast<std::size_t>(decimals)];
      // The product may be rounded to a whole number: only the way back tells.
      if (std::abs(scaled) < kExact &&
          std::nearbyint(scaled) / kTens[static_cast<std::size_t>(decimals)] == value) {
        break;
      }
      if (++decimals > kDecimals) exact = false;
    }
  }
  if (exact && largest * kTens[static_cast<std::size_t>(decimals)] < kExact) return -decimals;
  int exponent = -2;
  while (exponent < kExponentMost && largest > 1e5 * std::pow(10.0, exponent)) ++exponent;
  return exponent;
}

double scaled_up(std::int64_t quanta, int exponent) {
  const auto value = static_cast<double>(quanta);
  return exponent < 0 ? value / kTens[static_cast<std::size_t>(-exponent)]
                      : value * kTens[static_cast<std::size_t>(exponent)];
}
std::int64_t quanta_of(double value, int exponent) {
  return std::llround(exponent < 0 ? value * kTens[static_cast<std::size_t>(-exponent)]
                                   : value / kTens[static_cast<std::size_t>(exponent)]);
}

}  // namespace

void encode_column(std::span<const double> values, std::string& out) {
  put_varint(out, values.size());
  const int exponent = exponent_of(values);
  put_varint(out, zigzag(exponent));

  std::vector<std::uint64_t> runs;
  std::vector<std::int64_t> quanta;
  quanta.reserve(values.size());
  bool present = true;
  std::uint64_t run = 0;
  for (const double value : values) {
    if (gap(value) == present) {
      runs.push_back(run);
      run = 0;
      present = !present;
    }
    ++run;
    if (present) quanta.push_back(quanta_of(value, exponent));
  }
  if (!runs.empty()) runs.push_back(run);
  put_varint(out, runs.size());
  for (const std::uint64_t each : runs) put_varint(out, each);
  if (quanta.empty()) return;

  const std::int64_t first = quanta.front();
  std::uint64_t divisor = 0;
  for (std::int64_t& each : quanta) {
    each -= first;
    divisor = std::gcd(divisor, static_cast<std::uint64_t>(std::abs(each)));
  }
  divisor = std::max<std::uint64_t>(divisor, 1);
  for (std::int64_t& each : quanta) each /= static_cast<std::int64_t>(divisor);
  put_varint(out, zigzag(first));
  put_varint(out, divisor);

  BitWriter bits(out);
  std::int64_t last = 0;
  std::int64_t step = 0;  // the last difference
  std::array<std::int64_t, kPart> plain{};
  std::array<std::int64_t, kPart> once{};
  std::array<std::int64_t, kPart> twice{};
  for (std::size_t at = 0; at < quanta.size(); at += kPart) {
    const std::size_t count = std::min(kPart, quanta.size() - at);
    const std::int64_t before = last;
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t now = quanta[at + i];
      plain[i] = now - before;
      once[i] = now - last;
      twice[i] = once[i] - step;
      step = once[i];
      last = now;
    }
    Plan best;
    const auto try_all = [&](Difference difference, std::span<const std::int64_t> some) {
      consider(best, difference, some, 0);
      std::array<std::int64_t, kPart> sorted{};
      const auto end = std::copy(some.begin(), some.end(), sorted.begin());
      const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(some.size() / 2);
      std::nth_element(sorted.begin(), middle, end);
      if (*middle != 0) consider(best, difference, some, *middle);
    };
    try_all(Difference::none, {plain.data(), count});
    try_all(Difference::first, {once.data(), count});
    try_all(Difference::second, {twice.data(), count});
    write_part(bits, best);
  }
  bits.finish();
}

bool decode_column(std::string_view bytes, std::vector<double>& out) {
  out.clear();
  const auto refuse = [&] {
    out.clear();
    return false;
  };
  ByteReader head(bytes);
  const std::uint64_t slots = head.varint();
  const std::int64_t exponent = unzigzag(head.varint());
  const std::uint64_t run_count = head.varint();
  if (head.bad() || slots > kColumnSlots || exponent < -kDecimals || exponent > kExponentMost ||
      run_count > slots + 1) {
    return false;
  }
  std::vector<std::uint64_t> runs;
  std::uint64_t covered = 0;
  std::uint64_t present = run_count == 0 ? slots : 0;
  for (std::uint64_t i = 0; i < run_count; ++i) {
    runs.push_back(head.varint());
    if (head.bad() || runs.back() > slots - covered || (runs.back() == 0 && i > 0)) return false;
    covered += runs.back();
    if (i % 2 == 0) present += runs.back();
  }
  if (run_count == 0) runs.push_back(slots);
  if (run_count > 0 && covered != slots) return false;
  if (present == 0) {
    if (!head.rest().empty()) return false;
    out.assign(slots, kGap);
    return true;
  }
  const std::int64_t first = unzigzag(head.varint());
  const std::uint64_t divisor = head.varint();
  // Sums wrap instead of overflowing; what nobody wrote may come out as any number, never as harm.
  if (head.bad() || divisor == 0) return false;
  // A part takes ten bits at least.
  if ((present + kPart - 1) / kPart * 10 > head.rest().size() * 8) return false;

  out.reserve(slots);
  BitReader bits(head.rest());
  std::uint64_t last = 0;
  std::uint64_t step = 0;
  std::array<std::uint64_t, kPart> left{};
  std::size_t in_run = 0;
  std::uint64_t run_left = runs[0];
  for (std::uint64_t at = 0; at < present; at += kPart) {
    const std::size_t count = std::min<std::uint64_t>(kPart, present - at);
    const std::uint64_t difference = bits.take(2);
    const auto way = static_cast<Way>(bits.take(2));
    const auto centre = static_cast<std::uint64_t>(unzigzag(take_plain(bits)));
    if (difference > 2 || bits.over()) return refuse();
    if (!read_left(bits, way, {left.data(), count}) || bits.over()) return refuse();
    const std::uint64_t before = last;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t value = static_cast<std::uint64_t>(unzigzag(left[i])) + centre;
      std::uint64_t now = 0;
      if (difference == 0) {
        now = before + value;
        step = now - last;
      } else {
        step = difference == 1 ? value : step + value;
        now = last + step;
      }
      last = now;
      while (run_left == 0) {
        ++in_run;
        run_left = runs[in_run];
        if (in_run % 2 == 0) continue;
        out.insert(out.end(), run_left, kGap);
        run_left = 0;
      }
      --run_left;
      const auto quanta =
          static_cast<std::int64_t>(static_cast<std::uint64_t>(first) + divisor * now);
      out.push_back(scaled_up(quanta, static_cast<int>(exponent)));
    }
  }
  if (!bits.at_end()) return refuse();
  out.resize(slots, kGap);
  return true;
}

}  // namespace headroom::record
