#include "sense/gpu_wire.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

namespace headroom::sense {
namespace {

constexpr std::uint16_t kVersion = 2;
constexpr std::size_t kHead = 8;  // length of the rest (4), version (2), kind (2)
constexpr std::size_t kMostText = 512;
constexpr std::size_t kMostItems = 4096;
constexpr std::size_t kKeepCapacity = 64 * 1024;

// Each structure lists its fields once, for the writer and for the reader below.
template <class Archive>
void fields(Archive& a, Absence& x) {
  a(x.sensor, x.reason, x.fix);
}
template <class Archive>
void fields(Archive& a, GpuProcess& x) {
  a(x.pid, x.memory, x.graphics);
}
template <class Archive>
void fields(Archive& a, GpuReading& x) {
  a(x.id, x.name, x.parent, x.pci, x.memory_total, x.memory_used, x.memory_reserved, x.busy,
    x.memory_busy, x.celsius, x.celsius_limit, x.watts, x.watts_limit, x.joules, x.clock,
    x.memory_clock, x.fan, x.received_per_second, x.sent_per_second, x.slowed, x.ecc_corrected,
    x.ecc_uncorrected, x.last_xid, x.xids, x.compute, x.unified, x.processes_known, x.processes);
}
template <class Archive>
void fields(Archive& a, GpuSetup& x) {
  a(x.root, x.library, x.force_nvml, x.wake, x.pids_complete);
}
template <class Archive>
void fields(Archive& a, GpuAsk& x) {
  a(x.number, x.events, x.skip, x.last);
}
template <class Archive>
void fields(Archive& a, GpuAnswer& x) {
  a(x.number, x.device, x.told, x.nvidia, x.reason, x.readings);
}
template <class Archive>
void fields(Archive& a, GpuDone& x) {
  a(x.number, x.driver, x.absent);
}

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  template <class... T>
  void operator()(T&... values) {
    (put(values), ...);
  }

 private:
  void raw(const void* data, std::size_t size) {
    out_.append(static_cast<const char*>(data), size);
  }
  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void put(T& value) {
    raw(&value, sizeof value);
  }
  void put(Bytes& value) {
    const std::int64_t count = value.count();
    raw(&count, sizeof count);
  }
  void put(Ratio& value) {
    const double share = value.value();
    raw(&share, sizeof share);
  }
  void put(std::string& value) {
    std::uint32_t size = static_cast<std::uint32_t>(std::min(value.size(), kMostText));
    put(size);
    raw(value.data(), size);
  }
  template <class T>
  void put(std::optional<T>& value) {
    bool there = value.has_value();
    put(there);
    if (there) put(*value);
  }
  template <class T>
  void put(std::vector<T>& values) {
    std::uint32_t size = static_cast<std::uint32_t>(std::min(values.size(), kMostItems));
    put(size);
    for (std::uint32_t i = 0; i < size; ++i) put(values[i]);
  }
  template <class T>
    requires std::is_class_v<T>
  void put(T& value) {
    fields(*this, value);
  }

  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  template <class... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  bool good() const { return good_; }
  bool done() const { return in_.empty(); }

 private:
  bool raw(void* data, std::size_t size) {
    good_ = good_ && in_.size() >= size;
    if (!good_) return false;
    std::memcpy(data, in_.data(), size);
    in_.remove_prefix(size);
    return true;
  }
  template <class T>
    requires std::is_integral_v<T>
  void get(T& value) {
    raw(&value, sizeof value);
  }
  void get(bool& value) {
    std::uint8_t byte = 0;
    raw(&byte, 1);
    good_ = good_ && byte <= 1;
    value = byte == 1;
  }
  void get(double& value) {
    raw(&value, sizeof value);
    good_ = good_ && std::isfinite(value);
    if (!good_) value = 0;
  }
  void get(GpuTold& value) {
    std::uint8_t byte = 0;
    raw(&byte, 1);
    good_ = good_ && byte <= static_cast<std::uint8_t>(GpuTold::forbidden);
    if (good_) value = static_cast<GpuTold>(byte);
  }
  void get(Bytes& value) {
    std::int64_t count = 0;
    raw(&count, sizeof count);
    value = Bytes(count);
  }
  void get(Ratio& value) {
    double share = 0;
    get(share);
    value = Ratio(share);
  }
  void get(std::string& value) {
    std::uint32_t size = 0;
    get(size);
    good_ = good_ && size <= kMostText && size <= in_.size();
    if (!good_) return;
    value.assign(in_.substr(0, size));
    in_.remove_prefix(size);
  }
  template <class T>
  void get(std::optional<T>& value) {
    bool there = false;
    get(there);
    if (!good_ || !there) return;
    get(value.emplace());
  }
  template <class T>
  void get(std::vector<T>& values) {
    std::uint32_t size = 0;
    get(size);
    good_ = good_ && size <= kMostItems;
    // Grows as the items come: a length alone reserves no memory.
    for (std::uint32_t i = 0; good_ && i < size; ++i) get(values.emplace_back());
  }
  template <class T>
    requires std::is_class_v<T>
  void get(T& value) {
    fields(*this, value);
  }

  std::string_view in_;
  bool good_ = true;
};

template <class Frame>
std::optional<GpuFrame> decode(std::string_view payload) {
  Frame frame;
  Reader reader(payload);
  fields(reader, frame);
  if (!reader.good() || !reader.done()) return std::nullopt;
  return frame;
}

std::optional<GpuFrame> decode(std::uint16_t kind, std::string_view payload) {
  switch (kind) {
    case 0:
      return decode<GpuSetup>(payload);
    case 1:
      return decode<GpuAsk>(payload);
    case 2:
      return decode<GpuAnswer>(payload);
    case 3:
      return decode<GpuDone>(payload);
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string encode_gpu_frame(const GpuFrame& frame) {
  GpuFrame copy = frame;  // the lists of fields above are of what can be changed
  for (;;) {
    std::string out(kHead, '\0');
    Writer writer(out);
    std::visit([&](auto& value) { fields(writer, value); }, copy);
    if (out.size() > kMostGpuFrame) {
      // Only lists of processes can be so long: without them, the device is still told.
      auto* const answer = std::get_if<GpuAnswer>(&copy);
      if (answer != nullptr) {
        for (GpuReading& reading : answer->readings) {
          reading.processes_known = false;
          reading.processes.clear();
        }
        if (answer->readings.size() > 64) answer->readings.resize(64);
        for (GpuReading& reading : answer->readings) {
          if (reading.slowed.size() > 8) reading.slowed.resize(8);
        }
      } else if (auto* const done = std::get_if<GpuDone>(&copy)) {
        done->absent.resize(std::min<std::size_t>(done->absent.size(), 64));
      }
      continue;
    }
    const auto size = static_cast<std::uint32_t>(out.size() - 4);
    const auto kind = static_cast<std::uint16_t>(copy.index());
    std::memcpy(out.data(), &size, 4);
    std::memcpy(out.data() + 4, &kVersion, 2);
    std::memcpy(out.data() + 6, &kind, 2);
    return out;
  }
}

std::optional<GpuFrame> GpuFrames::next() {
  const std::string_view rest = std::string_view(bytes_).substr(at_);
  if (broken_ || rest.size() < kHead) return std::nullopt;
  std::uint32_t size = 0;
  std::uint16_t version = 0;
  std::uint16_t kind = 0;
  std::memcpy(&size, rest.data(), 4);
  std::memcpy(&version, rest.data() + 4, 2);
  std::memcpy(&kind, rest.data() + 6, 2);
  if (version != kVersion || size < kHead - 4 || size > kMostGpuFrame) {
    broken_ = true;
    return std::nullopt;
  }
  if (rest.size() < size + 4) return std::nullopt;
  auto frame = decode(kind, rest.substr(kHead, size + 4 - kHead));
  if (!frame) {
    broken_ = true;
    return std::nullopt;
  }
  at_ += size + 4;
  if (at_ == bytes_.size()) {
    at_ = 0;
    bytes_.clear();
    if (bytes_.capacity() > kKeepCapacity) bytes_.shrink_to_fit();
  }
  return frame;
}

}  // namespace headroom::sense
