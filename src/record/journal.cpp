#include "record/journal.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace headroom::record {
namespace {

// A file: this header, then records, each aligned to 8 bytes; the rest is zero. The header keeps
// its shape in every version, so that its sum tells a newer version from a damaged one.
struct Header {
  char magic[16];
  std::uint32_t version;
  std::uint32_t crc;  // of the header with this field 0
  std::uint64_t generation;
  char boot_id[40];
};
constexpr char kMagic[16] = {'h', 'e', 'a', 'd', 'r', 'o', 'o', 'm',
                             ' ', 'j', 'o', 'u', 'r', 'n', 'a', 'l'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kBegin = 128;

struct Frame {
  std::uint32_t length;  // of the payload; 0 = no record here
  std::uint32_t crc;     // of length, sequence and payload
  std::uint64_t sequence;
};
constexpr std::size_t kAlign = 8;
constexpr std::size_t kLongest = 1 << 20;
// Longer than this nothing but zeros: the end. A lost block of a disk is shorter.
constexpr std::size_t kZeros = 8192;

std::size_t padded(std::size_t length) {
  return sizeof(Frame) + (length + kAlign - 1) / kAlign * kAlign;
}

std::uint32_t crc_of(const Frame& frame, const char* payload) {
  uLong crc = crc32(0, nullptr, 0);
  crc = crc32(crc, reinterpret_cast<const Bytef*>(&frame.length), sizeof frame.length);
  crc = crc32(crc, reinterpret_cast<const Bytef*>(&frame.sequence), sizeof frame.sequence);
  crc = crc32(crc, reinterpret_cast<const Bytef*>(payload), frame.length);
  return static_cast<std::uint32_t>(crc);
}

// The whole record at `at`, or nothing.
bool frame_at(std::string_view bytes, std::size_t at, Frame& frame) {
  if (at + sizeof frame > bytes.size()) return false;
  std::memcpy(&frame, bytes.data() + at, sizeof frame);
  if (frame.length == 0 || frame.length > kLongest || at + padded(frame.length) > bytes.size()) {
    return false;
  }
  return crc_of(frame, bytes.data() + at + sizeof frame) == frame.crc;
}

std::uint32_t header_crc(Header header) {
  header.crc = 0;
  return static_cast<std::uint32_t>(
      crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(&header), sizeof header));
}

enum class Found { whole, empty, newer, broken };
Found read_header(const char* mapped, Header& header) {
  std::memcpy(&header, mapped, sizeof header);
  static constexpr Header kZero{};
  if (std::memcmp(&header, &kZero, sizeof header) == 0) return Found::empty;
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return Found::broken;
  if (header.crc != header_crc(header)) return Found::broken;
  return header.version > kVersion ? Found::newer : Found::whole;
}

std::string reason(int error) { return std::strerror(error); }

// Zeroes what is not zero from `at` on, without mapping it: only its pages that were written once
// are touched.
void clear(int file, std::size_t at, std::size_t size) {
  char block[4096];
  static constexpr char kZero[sizeof block] = {};
  for (; at < size; at += sizeof block) {
    const ssize_t got =
        pread(file, block, std::min(sizeof block, size - at), static_cast<off_t>(at));
    if (got <= 0) return;
    if (std::memcmp(block, kZero, static_cast<std::size_t>(got)) == 0) continue;
    (void)!pwrite(file, kZero, static_cast<std::size_t>(got), static_cast<off_t>(at));
  }
}

void put(char* at, std::uint64_t sequence, std::string_view payload) {
  Frame frame{static_cast<std::uint32_t>(payload.size()), 0, sequence};
  frame.crc = crc_of(frame, payload.data());
  std::memcpy(at + sizeof frame, payload.data(), payload.size());
  std::memcpy(at, &frame, sizeof frame);
}

}  // namespace

void append_frame(const Record& record, std::uint64_t sequence, std::string& out) {
  std::string payload;
  encode(record, payload);
  const std::size_t at = out.size();
  out.resize(at + padded(payload.size()));
  put(out.data() + at, sequence, payload);
}

Replay replay(std::string_view bytes, std::size_t begin) {
  Replay out;
  std::size_t at = begin;
  out.end = begin;
  std::uint64_t last = 0;
  Frame frame{};
  while (at + sizeof frame <= bytes.size()) {
    if (!frame_at(bytes, at, frame) || frame.sequence <= last) {
      // Nothing whole here: the end, or damage with more behind it. A later record proves damage by
      // its number; a long stretch of zeros ends the search.
      bool more = false;
      bool dirty = false;
      std::size_t zeros = 0;
      std::size_t next = at;
      while (!more && zeros < kZeros && next - at < 2 * kLongest) {
        if (next + kAlign > bytes.size()) break;
        const bool zero = std::memcmp(bytes.data() + next, "\0\0\0\0\0\0\0", kAlign) == 0;
        zeros = zero ? zeros + kAlign : 0;
        dirty = dirty || !zero;
        next += kAlign;
        more = frame_at(bytes, next, frame) && frame.sequence > last;
      }
      if (!more) {
        out.torn = dirty;
        break;
      }
      at = next;
      continue;
    }
    out.skipped += last == 0 ? 0 : static_cast<int>(frame.sequence - last - 1);
    if (last == 0 && at != begin) ++out.skipped;  // the first one of the file is damaged
    auto record = decode(bytes.substr(at + sizeof frame, frame.length));
    if (record) {
      out.records.push_back(std::move(*record));
    } else {
      ++out.skipped;
    }
    last = frame.sequence;
    at += padded(frame.length);
    out.end = at;
  }
  out.next_sequence = last + 1;
  return out;
}

Journal::Journal(Journal&& other) noexcept { *this = std::move(other); }

Journal& Journal::operator=(Journal&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  if (lock_ >= 0) close(lock_);
  dir_ = std::move(other.dir_);
  boot_id_ = std::move(other.boot_id_);
  lock_ = std::exchange(other.lock_, -1);
  for (int i = 0; i < 2; ++i) {
    file_[i] = std::exchange(other.file_[i], -1);
    mapped_[i] = std::exchange(other.mapped_[i], nullptr);
  }
  written_[0] = other.written_[0];
  written_[1] = other.written_[1];
  size_ = other.size_;
  live_ = other.live_;
  generation_ = other.generation_;
  end_ = other.end_;
  sequence_ = other.sequence_;
  return *this;
}

Journal::~Journal() {
  unmap();
  if (lock_ >= 0) close(lock_);
}

void Journal::unmap() {
  for (int i = 0; i < 2; ++i) {
    if (mapped_[i] != nullptr) munmap(mapped_[i], size_);
    mapped_[i] = nullptr;
    if (file_[i] >= 0) close(file_[i]);
    file_[i] = -1;
  }
}

std::string Journal::path() const { return dir_ + "/journal." + std::to_string(live_); }

Result<void> Journal::map(int which, std::size_t size) {
  const std::string name = dir_ + "/journal." + std::to_string(which);
  const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  const auto refuse = [&](int error) {
    if (file >= 0) close(file);
    return fail(ErrorKind::unavailable, "the journal " + name + " cannot be used", reason(error),
                "give another place with --state DIR, or make this one writable with " +
                    std::to_string(2 * size >> 20) + " MiB free");
  };
  if (file < 0) return refuse(errno);
  // Blocks for all of it now, so that a disk that fills up later takes nothing from us.
  if (const int error = posix_fallocate(file, 0, static_cast<off_t>(size)); error != 0) {
    return refuse(error);
  }
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) return refuse(errno);
  file_[which] = file;
  mapped_[which] = static_cast<char*>(mapped);
  return {};
}

Result<Journal::Opened> Journal::open(const std::string& dir, Bytes size,
                                      std::string_view boot_id) {
  Journal journal;
  journal.dir_ = dir;
  journal.boot_id_ = std::string(boot_id.substr(0, sizeof Header::boot_id - 1));
  for (std::size_t slash = dir.find('/', 1);; slash = dir.find('/', slash + 1)) {
    const std::string part = dir.substr(0, slash);
    const bool last = slash == std::string::npos;
    if (mkdir(part.c_str(), last ? 0700 : 0755) != 0 && errno != EEXIST) {
      return fail(ErrorKind::unavailable, "the state directory " + dir + " cannot be made",
                  part + ": " + reason(errno), "give another place with --state DIR");
    }
    if (last) break;
  }
  const std::string lock_name = dir + "/lock";
  journal.lock_ = ::open(lock_name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (journal.lock_ < 0) {
    return fail(ErrorKind::unavailable, "the state directory " + dir + " cannot be written",
                reason(errno), "give another place with --state DIR, or make this one writable");
  }
  if (flock(journal.lock_, LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorKind::conflict, "another headroomd uses the state directory " + dir,
                "its lock is held", "stop that one, or give this one its own with --state DIR");
  }

  journal.size_ = static_cast<std::size_t>(std::max<std::int64_t>(size.count(), 1 << 16)) &
                  ~static_cast<std::size_t>(4095);
  // A journal that was made larger, or by a configuration that wanted it larger, keeps its size.
  for (int i = 0; i < 2; ++i) {
    struct stat info{};
    if (stat((dir + "/journal." + std::to_string(i)).c_str(), &info) == 0) {
      journal.size_ =
          std::max(journal.size_, static_cast<std::size_t>(info.st_size) & ~std::size_t{4095});
    }
  }
  for (int i = 0; i < 2; ++i) {
    if (auto mapped = journal.map(i, journal.size_); !mapped) {
      return tl::unexpected(mapped.error());
    }
  }

  std::vector<std::string> notes;
  Header headers[2]{};
  int best = -1;
  for (int i = 0; i < 2; ++i) {
    const Found found = read_header(journal.mapped_[i], headers[i]);
    const std::string name = dir + "/journal." + std::to_string(i);
    if (found == Found::newer) {
      return fail(ErrorKind::unavailable, name + " was written by a newer headroom",
                  "its version is " + std::to_string(headers[i].version) + ", this program knows " +
                      std::to_string(kVersion),
                  "start the newer program, or give another place with --state DIR");
    }
    if (found == Found::broken) notes.push_back(name + " has a damaged header and is not used");
    if (found == Found::whole && (best < 0 || headers[i].generation > headers[best].generation)) {
      best = i;
    }
  }
  std::vector<Record> records;
  bool same_boot = true;
  if (best >= 0) {
    journal.live_ = best;
    journal.generation_ = headers[best].generation;
    headers[best].boot_id[sizeof headers[best].boot_id - 1] = '\0';
    same_boot = journal.boot_id_ == headers[best].boot_id;
    Replay read = replay({journal.mapped_[best], journal.size_}, kBegin);
    if (read.skipped > 0) {
      notes.push_back(journal.path() + ": " + std::to_string(read.skipped) +
                      " damaged records were left out");
    }
    if (read.torn) {
      notes.push_back(journal.path() + ": the last record was cut, and had not been promised");
    }
    records = std::move(read.records);
    journal.sequence_ = read.next_sequence;
    journal.end_ = read.end;
  }
  // What lies in the other file must not be taken for records later.
  clear(journal.file_[1 - journal.live_], 0, journal.size_);
  // A fresh file takes over: with this boot's id, and without what was skipped.
  const int old = journal.live_;
  if (auto fresh = journal.snapshot(records); !fresh) return tl::unexpected(fresh.error());
  // Whole records may lie behind a stretch that was lost: they are not to be found when this file
  // is written again up to them.
  clear(journal.file_[old], journal.written_[old], journal.size_);
  return Opened{std::move(journal), std::move(records), same_boot, std::move(notes)};
}

bool Journal::append(const Record& record) {
  scratch_.clear();
  encode(record, scratch_);
  if (end_ + padded(scratch_.size()) + sizeof(Frame) > size_) return false;
  put(mapped_[live_] + end_, sequence_++, scratch_);
  end_ += padded(scratch_.size());
  return true;
}

Result<void> Journal::snapshot(const std::vector<Record>& records) {
  std::size_t needed = kBegin + sizeof(Frame);
  for (const Record& record : records) {
    scratch_.clear();
    encode(record, scratch_);
    needed += padded(scratch_.size());
  }
  // A snapshot that leaves less than half of the file would come again at once.
  std::size_t size = size_;
  while (needed > size / 2) size *= 2;
  const int other = 1 - live_;
  if (size != size_) {
    Journal larger;
    larger.dir_ = dir_;
    for (int i = 0; i < 2; ++i) {
      if (auto mapped = larger.map(i, size); !mapped) {
        for (int j = 0; j < 2; ++j) {
          if (larger.mapped_[j] != nullptr) munmap(larger.mapped_[j], size);
          larger.mapped_[j] = nullptr;
          // One that grew alone would want the other one grown at the next start, on a full disk.
          (void)!truncate((dir_ + "/journal." + std::to_string(j)).c_str(),
                          static_cast<off_t>(size_));
        }
        if (needed <= size_) break;
        return mapped;
      }
    }
    if (larger.mapped_[0] != nullptr && larger.mapped_[1] != nullptr) {
      unmap();
      for (int i = 0; i < 2; ++i) {
        file_[i] = std::exchange(larger.file_[i], -1);
        mapped_[i] = std::exchange(larger.mapped_[i], nullptr);
      }
      size_ = size;
    }
  }
  char* to = mapped_[other];
  // Without a header it is not a journal: dying in the middle leaves the old one in force.
  std::memset(to, 0, kBegin);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::size_t at = kBegin;
  std::uint64_t sequence = sequence_;
  for (const Record& record : records) {
    scratch_.clear();
    encode(record, scratch_);
    put(to + at, sequence++, scratch_);
    at += padded(scratch_.size());
  }
  // What was written here before was longer, perhaps.
  if (written_[other] > at) std::memset(to + at, 0, written_[other] - at);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.generation = generation_ + 1;
  std::memcpy(header.boot_id, boot_id_.data(), boot_id_.size());
  header.crc = header_crc(header);
  // Nothing before is to be moved behind this: whoever sees the header sees all of it.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(to, &header, sizeof header);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  generation_ = header.generation;
  written_[live_] = end_;
  // The pages of the old file stay in the page cache, and leave this process.
  madvise(mapped_[live_], size_, MADV_DONTNEED);
  live_ = other;
  end_ = at;
  sequence_ = sequence;
  return {};
}

}  // namespace headroom::record
