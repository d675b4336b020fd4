// One SQLite file: opening it, what can be wrong with it, and transactions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <headroom/units.hpp>

struct sqlite3;
struct sqlite3_stmt;
struct sqlite3_blob;

namespace headroom::record {

/// A value that goes into a statement. Texts and bytes must live until the statement has run.
struct BytesOf {
  std::string_view bytes;
};
using Bound = std::variant<std::int64_t, double, std::string_view, BytesOf>;

/// `history.db` in a directory: the history and the events of this machine.
///
/// Whatever is wrong with it never stops anybody: problem() says it, the file is left alone, and
/// open() may be called again later. Only a damaged file is moved, to `history.db.damaged` (of
/// which there is one: an older one gives way), and a new one begun. A file of a newer program, or
/// one that is no history, is not touched.
///
/// Commits go to a write-ahead log, without a sync each: they outlive this process however it
/// dies; a power cut takes the commits since the last checkpoint (some minutes) and nothing else.
/// The file and its log stay within the budget. Locked against others while open. Not thread-safe.
class Database {
 public:
  /// Reads `dir` only when opened. `budget` is for file and log together; at least 256 KiB.
  Database(std::string dir, Bytes budget);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Opens the file, or makes it. True when it is open. The directory must be there.
  bool open();
  bool is_open() const { return handle_ != nullptr; }
  /// Another number after each open(): then what was written before may be gone.
  int opened() const { return opened_; }
  /// What is wrong now, for people; empty: nothing.
  const std::string& problem() const { return problem_; }
  /// Says that something cannot be kept, until the next write() that can.
  void refuse(std::string why) { problem_ = std::move(why); }
  /// What was odd and what was done about it since the last call, for people.
  std::vector<std::string> take_notes();

  /// Runs `body` in one transaction; it returns false to have it undone. False: nothing has
  /// changed and problem() says why, unless `body` said so itself.
  bool write(const std::function<bool()>& body);
  /// Runs one statement that gives no rows. False: it failed, as problem() says.
  bool run(const char* sql, std::initializer_list<Bound> values = {});
  /// Rows of a statement: while (rows.next()) rows.integer(0). One at a time per statement.
  class Rows;
  Rows rows(const char* sql, std::initializer_list<Bound> values = {});
  std::int64_t last_id() const;

  /// Reads parts of `block.data` without the rest of it.
  class Parts;

  /// Writes the log back into the file and empties it.
  void checkpoint();
  /// Bytes of the file and its log.
  std::int64_t bytes_on_disk() const;
  /// Bytes that may still be added, once with the log and once with the file, within the budget;
  /// pages that were freed count. Never negative.
  std::int64_t room();
  /// Bytes of the file that hold nothing.
  std::int64_t freed();
  /// Gives freed pages back to the file system.
  void shrink();
  std::string path() const { return dir_ + "/history.db"; }

 private:
  sqlite3_stmt* prepare(const char* sql, std::initializer_list<Bound> values);
  bool begin(int& code);
  void close();
  bool failed(int code, const std::string& doing);
  void set_aside(const std::string& why);
  std::int64_t pragma(const char* sql);

  std::string dir_;
  std::int64_t budget_;
  sqlite3* handle_ = nullptr;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
  std::string problem_;
  std::vector<std::string> notes_;
  int opened_ = 0;
  bool damaged_ = false;  // found while something was open: dealt with when that has ended
};

class Database::Rows {
 public:
  Rows(Database& database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  /// False: no more, or it failed.
  bool next();
  std::int64_t integer(int column) const;
  std::string text(int column) const;
  /// Valid until the next call of next().
  std::string_view bytes(int column) const;

 private:
  Database& database_;
  sqlite3_stmt* statement_;  // of the database; null: nothing
};

class Database::Parts {
 public:
  explicit Parts(Database& database) : database_(database) {}
  ~Parts();
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
  /// Turns to the data of this row; its size, or empty when it cannot be read.
  bool turn_to(std::int64_t row);
  std::size_t size() const;
  /// Reads into `out`, which is replaced. False when it cannot be read or there is not so much.
  bool read(std::size_t at, std::size_t count, std::string& out);

 private:
  Database& database_;
  sqlite3_blob* blob_ = nullptr;
};

}  // namespace headroom::record
