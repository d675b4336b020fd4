// The journal: an append-only log of promises that survives the death of the daemon at any
// instruction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/result.hpp>
#include <headroom/units.hpp>

#include "words/record.hpp"

namespace headroom::record {

/// What was read from one journal's bytes.
struct Replay {
  std::vector<Record> records;
  std::size_t end = 0;  ///< where the next record goes
  std::uint64_t next_sequence = 1;
  int skipped = 0;    ///< records that were damaged and could not be read
  bool torn = false;  ///< the last record was cut: it was never promised to anybody
};

/// Reads the records after a journal's header. Pure. A damaged record is skipped if a later one is
/// whole (its number tells), so that one flipped bit costs one record.
Replay replay(std::string_view bytes, std::size_t begin);

/// Appends the record to `out` as a journal's file holds it: what replay() reads. Sequences count
/// up from 1. Pure.
void append_frame(const Record& record, std::uint64_t sequence, std::string& out);

/// Two preallocated files, `journal.0` and `journal.1`, of which one is in force; a snapshot goes
/// into the other, which then takes over. So neither an append nor a snapshot ever needs disk space
/// that was not there at the start.
///
/// Appending is a copy into a shared mapping: what was copied is in the page cache, and outlives
/// this process however it dies. It is not synced: leases do not outlive a power cut, since their
/// processes do not. Not thread-safe.
class Journal {
 public:
  struct Opened;

  /// Opens or makes the journal in `dir`, which is made too (0700). Fails with conflict when
  /// another daemon has it, with unavailable when it cannot be written (read-only, full, no such
  /// place).
  static Result<Opened> open(const std::string& dir, Bytes size, std::string_view boot_id);

  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&& other) noexcept;
  Journal(const Journal&) = delete;
  ~Journal();

  /// Keeps the record. False: it does not fit, nothing was written, and a snapshot is due.
  bool append(const Record& record);
  /// Replaces everything by these records. Fails with unavailable when they do not fit and the
  /// files cannot be made larger; then the journal is as it was.
  Result<void> snapshot(const std::vector<Record>& records);

  /// Bytes written into the file in force, and its size.
  Bytes used() const { return Bytes(static_cast<std::int64_t>(end_)); }
  Bytes size() const { return Bytes(static_cast<std::int64_t>(size_)); }
  /// The file in force, for messages and tests.
  std::string path() const;

 private:
  Journal() = default;
  Result<void> map(int which, std::size_t size);
  void unmap();

  std::string dir_;
  std::string boot_id_;
  int lock_ = -1;
  int file_[2] = {-1, -1};
  char* mapped_[2] = {nullptr, nullptr};
  std::size_t size_ = 0;
  std::size_t written_[2] = {0, 0};  // how far each file was written
  int live_ = 0;                     // which file is in force
  std::uint64_t generation_ = 0;
  std::size_t end_ = 0;
  std::uint64_t sequence_ = 1;
  std::string scratch_;  // the record in hand, encoded
};

struct Journal::Opened {
  Journal journal;
  std::vector<Record> records;
  bool same_boot = true;           ///< boot times in the records mean this boot
  std::vector<std::string> notes;  ///< what was odd and what was done about it, for people
};

}  // namespace headroom::record
