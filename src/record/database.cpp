#include "record/database.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace headroom::record {
namespace {

constexpr int kVersion = 1;
constexpr int kOurs = 0x68647231;  // "hdr1": says in the file's head whose it is
constexpr std::int64_t kPage = 4096;
constexpr std::int64_t kLeast = 256 * 1024;
constexpr int kLogPages = 32;  // written back when it is longer

// A block is a stretch of time of every series; `tier` 0 are those that came last, as they came.
constexpr const char* kSchema =
    "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE block (id INTEGER PRIMARY KEY, tier INTEGER NOT NULL, at INTEGER NOT NULL,"
    "  until INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE INDEX block_at ON block (tier, at);"
    "CREATE TABLE event (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL,"
    "  lease INTEGER NOT NULL, resource TEXT NOT NULL, device TEXT NOT NULL, text TEXT NOT NULL);"
    "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

bool is_damage(int code) {
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

// What is there now, for reading a file's size.
std::int64_t size_of(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 ? static_cast<std::int64_t>(info.st_size) : 0;
}

}  // namespace

Database::Database(std::string dir, Bytes budget)
    : dir_(std::move(dir)), budget_(std::max(kLeast, budget.count())) {}

Database::~Database() { close(); }

void Database::close() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  statements_.clear();
  if (handle_ != nullptr) sqlite3_close_v2(handle_);
  handle_ = nullptr;
  damaged_ = false;
}

bool Database::failed(int code, const std::string& doing) {
  std::string why = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  const int system = handle_ != nullptr ? sqlite3_system_errno(handle_) : 0;
  if ((code & 0xff) == SQLITE_FULL) {
    struct statvfs disk{};
    const bool full = statvfs(dir_.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < kLeast;
    why = full ? "the disk is full" : "it is as large as sample.history_budget allows";
  } else if (((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN) && system != 0) {
    why += std::string(": ") + std::strerror(system);
  } else if ((code & 0xff) == SQLITE_BUSY) {
    why = "another process has it open";
  }
  problem_ = path() + " cannot be " + doing + ": " + why;
  if (is_damage(code)) damaged_ = true;
  return false;
}

void Database::set_aside(const std::string& why) {
  close();
  const std::string aside = path() + ".damaged";
  const bool there_was = size_of(aside) > 0;
  if (std::rename(path().c_str(), aside.c_str()) != 0) {
    problem_ =
        path() + " is damaged (" + why + ") and cannot be moved aside: " + std::strerror(errno);
    return;
  }
  // Its log belongs to it and must not be taken for the new one's.
  std::remove((aside + "-wal").c_str());
  std::rename((path() + "-wal").c_str(), (aside + "-wal").c_str());
  notes_.push_back(path() + " is damaged (" + why + "); it was moved to " + aside +
                   (there_was ? ", in the place of an older one," : "") + " and a new one begun");
}

bool Database::begin(int& code) {
  // Made here, so that nobody but this user ever could read it.
  const int file = ::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) {
    problem_ = path() + " cannot be opened: " + std::strerror(errno);
    code = SQLITE_CANTOPEN;
    return false;
  }
  ::close(file);
  code = sqlite3_open_v2(
      path().c_str(), &handle_,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE,
      nullptr);
  if (code != SQLITE_OK) return failed(code, "opened");
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_LOOKASIDE, nullptr, 128, 100);
  const auto execute = [&](const char* sql) {
    code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
    return code == SQLITE_OK || failed(code, "opened");
  };
  // The page size and the vacuum mode hold for a file that is new; in exclusive mode the log needs
  // no shared memory, which a full disk could take away under us.
  if (!execute("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;"
               "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-256; PRAGMA temp_store=MEMORY;"
               "PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON")) {
    return false;
  }
  const std::int64_t ours = pragma("PRAGMA application_id");
  const std::int64_t version = pragma("PRAGMA user_version");
  const std::int64_t tables = pragma("SELECT count(*) FROM sqlite_schema");
  if (!problem_.empty()) {
    code = sqlite3_errcode(handle_);
    return false;
  }
  if (ours != kOurs && (tables != 0 || version != 0)) {
    problem_ = path() + " is no history of headroom and is left alone";
    code = SQLITE_AUTH;
    return false;
  }
  if (version > kVersion) {
    problem_ = path() + " was written by a newer headroom (version " + std::to_string(version) +
               ", this one knows " + std::to_string(kVersion) + ") and is left alone";
    code = SQLITE_AUTH;
    return false;
  }
  if (!execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
               "PRAGMA journal_size_limit=0")) {
    return false;
  }
  sqlite3_wal_autocheckpoint(handle_, kLogPages);
  if (tables == 0) {
    const std::string make = "BEGIN IMMEDIATE;" + std::string(kSchema) +
                             "PRAGMA application_id=" + std::to_string(kOurs) +
                             ";PRAGMA user_version=" + std::to_string(kVersion) + ";COMMIT";
    if (!execute(make.c_str())) return false;
  } else {
    // Ten megabytes take some milliseconds; what is wrong is better known now than half-way.
    sqlite3_stmt* check = nullptr;
    code = sqlite3_prepare_v2(handle_, "PRAGMA quick_check(1)", -1, &check, nullptr);
    if (code == SQLITE_OK) code = sqlite3_step(check);
    std::string said;
    if (code == SQLITE_ROW) said = reinterpret_cast<const char*>(sqlite3_column_text(check, 0));
    sqlite3_finalize(check);
    if (code == SQLITE_ROW && said != "ok") code = SQLITE_CORRUPT;
    if (code != SQLITE_ROW) return failed(code, "read");
    code = SQLITE_OK;
  }
  // The last guard: the file never grows past it, whatever is asked.
  const std::string most = "PRAGMA max_page_count=" + std::to_string(budget_ / kPage);
  return execute(most.c_str());
}

bool Database::open() {
  if (handle_ != nullptr) return true;
  problem_.clear();
  int code = SQLITE_OK;
  ++opened_;
  if (begin(code)) return true;
  if (is_damage(code)) {
    const std::string why = sqlite3_errstr(code);
    set_aside(why);
    if (size_of(path()) == 0) {
      problem_.clear();
      if (begin(code)) return true;
    }
  }
  // Keep what was said; the next call tries again.
  std::string said = std::move(problem_);
  close();
  problem_ = std::move(said);
  return false;
}

std::vector<std::string> Database::take_notes() { return std::exchange(notes_, {}); }

sqlite3_stmt* Database::prepare(const char* sql, std::initializer_list<Bound> values) {
  if (handle_ == nullptr) return nullptr;
  auto found = statements_.find(std::string_view(sql));
  if (found == statements_.end()) {
    sqlite3_stmt* fresh = nullptr;
    const int code =
        sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &fresh, nullptr);
    if (code != SQLITE_OK) {
      failed(code, "used");
      return nullptr;
    }
    found = statements_.emplace(sql, fresh).first;
  }
  sqlite3_stmt* statement = found->second;
  int place = 0;
  for (const Bound& value : values) {
    ++place;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      sqlite3_bind_int64(statement, place, *whole);
    } else if (const auto* real = std::get_if<double>(&value)) {
      sqlite3_bind_double(statement, place, *real);
    } else if (const auto* text = std::get_if<std::string_view>(&value)) {
      sqlite3_bind_text64(statement, place, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    } else {
      const std::string_view bytes = std::get<BytesOf>(value).bytes;
      sqlite3_bind_blob64(statement, place, bytes.data(), bytes.size(), SQLITE_STATIC);
    }
  }
  return statement;
}

bool Database::run(const char* sql, std::initializer_list<Bound> values) {
  sqlite3_stmt* statement = prepare(sql, values);
  if (statement == nullptr) return false;
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(statement);
  const bool done = code == SQLITE_DONE || failed(code, "written");
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return done;
}

bool Database::write(const std::function<bool()>& body) {
  if (handle_ == nullptr) return false;
  problem_.clear();
  const bool done = run("BEGIN IMMEDIATE") && body() && run("COMMIT");
  if (!done && sqlite3_get_autocommit(handle_) == 0) {
    // It undoes all; that it failed says nothing that the failure before did not.
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  if (damaged_) {
    set_aside(problem_);
    problem_.clear();
    open();
    return false;
  }
  return done;
}

Database::Rows Database::rows(const char* sql, std::initializer_list<Bound> values) {
  return {*this, prepare(sql, values)};
}

std::int64_t Database::last_id() const {
  return handle_ == nullptr ? 0 : sqlite3_last_insert_rowid(handle_);
}

std::int64_t Database::pragma(const char* sql) {
  if (handle_ == nullptr) return 0;
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  const std::int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  if (code != SQLITE_ROW) failed(code, "read");
  sqlite3_finalize(statement);
  return value;
}

void Database::checkpoint() {
  if (handle_ == nullptr) return;
  // What cannot be written back now stays in the log, and is written back later.
  (void)sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

std::int64_t Database::bytes_on_disk() const {
  return handle_ == nullptr ? 0 : size_of(path()) + size_of(path() + "-wal");
}

std::int64_t Database::room() {
  if (handle_ == nullptr) return 0;
  const std::int64_t pages = pragma("PRAGMA page_count");
  const std::int64_t free = pragma("PRAGMA freelist_count");
  // What is added lies in the log first; then what freed pages do not take makes the file longer.
  const std::int64_t beside = budget_ - pages * kPage - kLogPages * kPage;
  const std::int64_t reused = free * kPage;
  return std::max<std::int64_t>(0, beside <= reused ? beside : (beside + reused) / 2);
}

std::int64_t Database::freed() { return pragma("PRAGMA freelist_count") * kPage; }

void Database::shrink() {
  // In steps, so that the log stays short.
  for (std::int64_t left = freed(); handle_ != nullptr && left > 0;) {
    if (!run("PRAGMA incremental_vacuum(32)")) return;
    checkpoint();
    const std::int64_t now = freed();
    if (now >= left) return;
    left = now;
  }
}

Database::Rows::~Rows() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Database::Rows::next() {
  if (statement_ == nullptr) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_.failed(code, "read");
  return false;
}

std::int64_t Database::Rows::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Database::Rows::text(int column) const { return std::string(bytes(column)); }

std::string_view Database::Rows::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

Database::Parts::~Parts() {
  if (blob_ != nullptr) sqlite3_blob_close(blob_);
}

bool Database::Parts::turn_to(std::int64_t row) {
  if (database_.handle_ == nullptr) return false;
  const int code = blob_ != nullptr ? sqlite3_blob_reopen(blob_, row)
                                    : sqlite3_blob_open(database_.handle_, "main", "block", "data",
                                                        row, 0, &blob_);
  if (code == SQLITE_OK) return true;
  if (blob_ != nullptr) sqlite3_blob_close(blob_);
  blob_ = nullptr;
  return database_.failed(code, "read");
}

std::size_t Database::Parts::size() const {
  return blob_ == nullptr ? 0 : static_cast<std::size_t>(sqlite3_blob_bytes(blob_));
}

bool Database::Parts::read(std::size_t at, std::size_t count, std::string& out) {
  out.clear();
  if (blob_ == nullptr || at > size() || count > size() - at) return false;
  out.resize(count);
  const int code =
      sqlite3_blob_read(blob_, out.data(), static_cast<int>(count), static_cast<int>(at));
  return code == SQLITE_OK || database_.failed(code, "read");
}

}  // namespace headroom::record
