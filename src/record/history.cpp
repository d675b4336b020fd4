#include "record/history.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace headroom::record {
namespace {

using std::chrono::milliseconds;

constexpr Millis kMinute = 60 * 1000;
constexpr Millis kHour = 60 * kMinute;
constexpr Millis kDay = 24 * kHour;
constexpr std::size_t kIntoTiers = 65;  // more minutes than these go into the tiers
constexpr std::size_t kFresh = 180;     // minutes that wait at most
constexpr std::size_t kHeadGuess = 1024;
constexpr std::int64_t kRowBytes = 8192;  // what a row needs besides its data, at most
constexpr Millis kLongestStep = 7 * kDay;
constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

Millis millis(WallTime at) { return floor_to(at.time_since_epoch().count(), 1000000) / 1000000; }
WallTime wall(Millis at) { return WallTime(milliseconds(at)); }

Millis multiple(Millis at_least, Millis of) { return (at_least + of - 1) / of * of; }

// No slot of the grid lies between them.
bool apart(Millis at, Millis until, const Grid& grid) {
  return until <= grid.at || at >= grid.until();
}

// Lays pieces, in the order they were written, over what the grid holds. Into a coarse grid goes
// what hangs together at once, so that its slots are averaged rightly.
void put(Grid& grid, std::span<const Grid> pieces) {
  Grid together;
  const auto give = [&] {
    if (!together.average.empty()) coarsen_onto(grid, together);
    together = Grid();
  };
  for (const Grid& piece : pieces) {
    if (!grid.coarse() || grid.step % piece.step != 0) {
      give();
      lay_over(grid, piece);
      continue;
    }
    const bool on = !together.average.empty() && together.step == piece.step &&
                    piece.at >= together.until() && piece.at < together.until() + 10 * kMinute;
    if (!on) {
      give();
      together.at = piece.at;
      together.step = piece.step;
    }
    together.average.resize(static_cast<std::size_t>((piece.at - together.at) / piece.step), kGap);
    together.average.insert(together.average.end(), piece.average.begin(), piece.average.end());
  }
  give();
}

void summarize(const Grid& grid, Series& series) {
  std::vector<double> known;
  known.reserve(grid.average.size());
  double sum = 0;
  for (std::size_t i = 0; i < grid.average.size(); ++i) {
    const double value = grid.average[i];
    if (std::isnan(value)) continue;
    known.push_back(value);
    sum += value;
    const double least = grid.coarse() ? grid.least[i] : value;
    const double largest = grid.coarse() ? grid.largest[i] : value;
    if (!series.least || least < *series.least) series.least = least;
    if (!series.largest || largest > *series.largest) series.largest = largest;
  }
  if (known.empty()) return;
  series.last = known.back();
  const std::size_t rank = (known.size() * 95 + 99) / 100 - 1;
  const auto at = known.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(known.begin(), at, known.end());
  // Each of the three is rounded for itself where it was stored.
  series.p95 = std::clamp(*at, *series.least, *series.largest);
  series.average =
      std::clamp(sum / static_cast<double>(known.size()), *series.least, *series.largest);
}

}  // namespace

History::History(Database& database, const HistoryOptions& options)
    : database_(database), options_(options) {
  const Millis keep = std::max<Millis>(0, options.keep.count() * kHour);
  const Millis fine = std::clamp<Millis>(options.step.count(), 1, kLongestStep);
  const Millis middle = multiple(10000, fine);
  const Millis coarse = multiple(5 * kMinute, middle);
  tiers_[0] = {fine, multiple(kHour, fine), std::min(keep, options.keep_fine.count() * kHour)};
  tiers_[1] = {middle, multiple(4 * kHour, middle),
               std::min(keep, options.keep_middle.count() * kHour)};
  tiers_[2] = {coarse, multiple(kDay, coarse), keep};
  (void)ready();
}

bool History::ready() {
  if (options_.keep.count() <= 0 || !database_.open()) return false;
  if (opened_ != database_.opened()) load();
  return database_.is_open();
}

// Reads what the database knows. What memory holds already (it could not be used until now, or was
// damaged and begun anew) takes the database's numbers and is written again.
void History::load() {
  opened_ = database_.opened();
  std::map<std::string, SeriesId, std::less<>> there;
  SeriesId next = 1;
  {
    auto rows = database_.rows("SELECT id, name FROM series ORDER BY id");
    while (rows.next() && there.size() < 2 * kSeries) {
      const auto id = static_cast<SeriesId>(rows.integer(0));
      there.emplace(rows.text(1), id);
      next = std::max(next, id + 1);
    }
    auto counter = database_.rows("SELECT value FROM counter WHERE name='series'");
    if (counter.next()) next = std::max(next, static_cast<SeriesId>(counter.integer(0)));
  }
  std::map<SeriesId, SeriesId> renamed;
  for (auto& [name, known] : series_) {
    const auto found = there.find(name);
    const SeriesId id = found != there.end() ? found->second : next++;
    known.stored = found != there.end();
    known.oldest.reset();
    renamed[known.id] = id;
    known.id = id;
  }
  for (const auto& [name, id] : there) {
    if (!series_.contains(name)) series_[name] = Known{id, true, 0, {}};
  }
  next_id_ = next;

  std::vector<Fresh> all;
  std::vector<std::int64_t> bad;
  {
    auto rows = database_.rows("SELECT id, at, until, data FROM block WHERE tier=0 ORDER BY id");
    while (rows.next()) {
      Fresh fresh{
          rows.integer(0), rows.integer(1), rows.integer(2), std::string(rows.bytes(3)), {}};
      const auto length = head_size(fresh.data);
      if (length && *length <= fresh.data.size()) {
        if (auto head = read_head({fresh.data.data(), *length}, fresh.data.size())) {
          fresh.head = std::move(*head);
        }
      }
      if (!fresh.head.entries.empty()) {
        all.push_back(std::move(fresh));
      } else {
        bad.push_back(fresh.row);
      }
    }
  }
  for (const std::int64_t row : bad) {
    ++damaged_;
    database_.run("DELETE FROM block WHERE id=?1", {row});
  }
  for (Fresh& fresh : fresh_) {
    std::map<SeriesId, Grid> grids;
    for (const Entry& entry : fresh.head.entries) {
      auto grid = read_entry(fresh.head, entry, {fresh.data.data() + entry.at, entry.length});
      if (grid && renamed.contains(entry.id)) grids[renamed[entry.id]] = std::move(*grid);
    }
    BlockMaker maker(fresh.head.at, fresh.head.step);
    for (const auto& [id, grid] : grids) maker.add(id, grid);
    if (!maker.empty()) all.push_back(made(maker, fresh.at, fresh.until));
  }
  fresh_ = std::move(all);
  if (open_) {
    std::map<SeriesId, std::vector<double>> columns;
    for (auto& [id, column] : open_->columns) {
      if (renamed.contains(id)) columns[renamed[id]] = std::move(column);
    }
    open_->columns = std::move(columns);
  }
}

// --------------------------------------------------------------------------------- taking samples

History::Known* History::known(std::string_view name) {
  if (const auto found = series_.find(name); found != series_.end()) return &found->second;
  if (series_.size() >= kSeries) {
    auto quiet = series_.end();
    for (auto it = series_.begin(); it != series_.end(); ++it) {
      const bool in_hand = open_ && open_->columns.contains(it->second.id);
      if (!in_hand && (quiet == series_.end() || it->second.seen < quiet->second.seen)) quiet = it;
    }
    if (quiet == series_.end()) return nullptr;
    if (quiet->second.stored) {
      database_.run("DELETE FROM series WHERE id=?1", {std::int64_t{quiet->second.id}});
    }
    series_.erase(quiet);
  }
  return &(series_[std::string(name)] = Known{next_id_++, false, 0, {}});
}

Millis History::open_most() const { return std::max<Millis>(1, kMinute / tiers_[0].step); }

void History::append(Instant at, std::span<const Named> values) {
  if (options_.keep.count() <= 0) return;
  if (last_ && at.boot <= last_->boot) {
    ++out_of_order_;
    return;
  }
  if (!last_) aged_.fill(at.boot);
  ++samples_;
  const Millis step = tiers_[0].step;
  const Millis slot = floor_to(millis(at.wall), step);
  const auto put = [&](Millis here) {
    const auto place = open_ ? (here - open_->at) / step : 0;
    if (open_ && (place < static_cast<Millis>(open_->slots) - 1 || place >= open_most() ||
                  floor_to(here, tiers_[2].step) != floor_to(open_->at, tiers_[2].step))) {
      seal();
    }
    if (!open_) open_ = Open{here, 0, {}};
    const auto index = static_cast<std::size_t>((here - open_->at) / step);
    open_->slots = index + 1;
    for (const auto& [name, value] : values) {
      if (!std::isfinite(value)) continue;
      Known* series = known(name);
      if (series == nullptr) {
        ++overflowed_;
        continue;
      }
      series->seen = samples_;
      auto& column = open_->columns[series->id];
      if (column.empty()) column.assign(static_cast<std::size_t>(open_most()), kGap);
      column[index] = value;
    }
  };
  if (last_) {
    const Millis before = floor_to(millis(last_->wall), step);
    const auto passed = at.boot - last_->boot;
    if (slot == before + 2 * step && passed < milliseconds(step + step / 2)) put(before + step);
  }
  put(slot);
  last_ = at;
}

History::Fresh History::made(const BlockMaker& maker, Millis at, Millis until) {
  Fresh fresh{0, at, until, maker.make(), {}};
  fresh.head = *read_head({fresh.data.data(), *head_size(fresh.data)}, fresh.data.size());
  return fresh;
}

void History::seal() {
  if (!open_) return;
  BlockMaker maker(open_->at, tiers_[0].step);
  for (const auto& [id, column] : open_->columns) {
    Grid grid;
    grid.at = open_->at;
    grid.step = tiers_[0].step;
    grid.average = column;
    maker.add(id, grid);
  }
  if (!maker.empty()) {
    fresh_.push_back(
        made(maker, open_->at, open_->at + static_cast<Millis>(open_->slots) * tiers_[0].step));
  }
  open_.reset();
  while (fresh_.size() > kFresh) {
    if (fresh_.front().row != 0) {
      database_.run("DELETE FROM block WHERE id=?1", {fresh_.front().row});
    }
    fresh_.erase(fresh_.begin());
    ++dropped_;
  }
}

// --------------------------------------------------------------------------------------- on disk

bool History::finish() {
  seal();
  return store();
}

bool History::store() {
  const auto once = [this] {
    return ready() && store_fresh() && (fresh_.size() <= kIntoTiers || into_tiers());
  };
  // A file that was found damaged was replaced by a new one.
  return once() || (opened_ != database_.opened() && once());
}

bool History::store_fresh() {
  std::int64_t bytes = 0;
  for (const Fresh& fresh : fresh_) {
    if (fresh.row == 0) bytes += static_cast<std::int64_t>(fresh.data.size()) + kRowBytes;
  }
  if (bytes == 0) return true;
  if (!make_room(bytes)) return false;
  std::vector<std::int64_t> rows;
  const bool done = database_.write([&] {
    for (const auto& [name, series] : series_) {
      if (series.stored) continue;
      if (!database_.run("INSERT INTO series (id, name) VALUES (?1, ?2)",
                         {std::int64_t{series.id}, std::string_view(name)})) {
        return false;
      }
    }
    if (!database_.run("INSERT OR REPLACE INTO counter (name, value) VALUES ('series', ?1)",
                       {std::int64_t{next_id_}})) {
      return false;
    }
    for (const Fresh& fresh : fresh_) {
      if (fresh.row != 0) continue;
      if (!database_.run("INSERT INTO block (tier, at, until, data) VALUES (0, ?1, ?2, ?3)",
                         {fresh.at, fresh.until, BytesOf{fresh.data}})) {
        return false;
      }
      rows.push_back(database_.last_id());
    }
    return true;
  });
  if (!done) return false;
  for (auto& [name, series] : series_) series.stored = true;
  auto row = rows.begin();
  for (Fresh& fresh : fresh_) {
    if (fresh.row == 0) fresh.row = *row++;
  }
  return true;
}

bool History::into_tiers() {
  // What a later stretch was written over, or what the coarsest slots are complete for.
  std::size_t taken = 0;
  for (std::size_t i = 1; i < fresh_.size(); ++i) {
    if (fresh_[i].at < fresh_[i - 1].until) taken = i;
  }
  const Millis newest = open_ ? open_->at : fresh_.back().until;
  if (newest < fresh_.back().until) taken = fresh_.size();
  const Millis complete = floor_to(newest, tiers_[2].step);
  while (taken < fresh_.size() && fresh_[taken].until <= complete) ++taken;
  if (taken == 0) return true;

  const std::vector<Fresh> some(fresh_.begin(),
                                fresh_.begin() + static_cast<std::ptrdiff_t>(taken));
  for (std::size_t number = 1; number <= tiers_.size(); ++number) {
    std::set<Millis> spans;
    for (const Fresh& fresh : some) {
      const Millis span = tier(number).span;
      for (Millis at = floor_to(fresh.at, span); at < fresh.until; at += span) spans.insert(at);
    }
    // One transaction each, so that the log stays short: done twice it comes out the same.
    for (const Millis at : spans) {
      if (!rewrite(number, at, some)) return false;
    }
  }
  const bool done = database_.write([&] {
    for (const Fresh& fresh : some) {
      if (!database_.run("DELETE FROM block WHERE id=?1", {fresh.row})) return false;
    }
    return true;
  });
  if (!done) return false;
  fresh_.erase(fresh_.begin(), fresh_.begin() + static_cast<std::ptrdiff_t>(taken));
  age_out();
  forget_series();
  for (auto& [name, series] : series_) series.oldest.reset();
  database_.checkpoint();
  return true;
}

bool History::rewrite(std::size_t number, Millis span_at, std::span<const Fresh> taken) {
  const Tier& of = tier(number);
  std::int64_t row = 0;
  {
    auto rows = database_.rows("SELECT id FROM block WHERE tier=?1 AND at=?2",
                               {static_cast<std::int64_t>(number), span_at});
    if (rows.next()) row = rows.integer(0);
  }
  BlockMaker maker(span_at, of.step);
  Millis until = span_at;
  {
    Database::Parts parts(database_);
    std::optional<BlockHead> head;
    if (row != 0 && parts.turn_to(row)) head = head_of(parts);
    std::set<SeriesId> ids;
    if (head) {
      for (const Entry& entry : head->entries) ids.insert(entry.id);
    }
    for (const Fresh& fresh : taken) {
      if (fresh.until <= span_at || fresh.at >= span_at + of.span) continue;
      for (const Entry& entry : fresh.head.entries) ids.insert(entry.id);
    }
    std::string bytes;
    for (const SeriesId id : ids) {
      Grid grid(span_at, of.step, static_cast<std::size_t>(of.span / of.step), number > 1);
      if (const Entry* entry = head ? head->find(id) : nullptr; entry != nullptr) {
        std::optional<Grid> old;
        if (parts.read(entry->at, entry->length, bytes)) old = read_entry(*head, *entry, bytes);
        if (old) {
          lay_over(grid, *old);
        } else {
          ++damaged_;
        }
      }
      put(grid, pieces(id, taken, grid));
      const Grid some = grid.trimmed();
      until = std::max(until, some.until());
      maker.add(id, some);
    }
  }
  if (maker.empty()) return true;
  const std::string data = maker.make();
  if (!make_room(static_cast<std::int64_t>(data.size()) + kRowBytes)) return false;
  const bool done = database_.write([&] {
    // What was there may have gone to make room.
    return database_.run("DELETE FROM block WHERE tier=?1 AND at=?2",
                         {static_cast<std::int64_t>(number), span_at}) &&
           database_.run("INSERT INTO block (tier, at, until, data) VALUES (?1, ?2, ?3, ?4)",
                         {static_cast<std::int64_t>(number), span_at, until, BytesOf{data}});
  });
  if (done) database_.checkpoint();
  return done;
}

void History::age_out() {
  const Millis newest = open_ ? open_->at : last_ ? millis(last_->wall) : 0;
  for (std::size_t number = 1; last_ && number <= tiers_.size(); ++number) {
    const Tier& of = tier(number);
    // A tier loses about as much as time passes: a clock that is wrong for a while empties nothing.
    BootTime& aged = aged_[number - 1];
    if (last_->boot - aged < milliseconds(of.span)) continue;
    aged = last_->boot;
    std::int64_t oldest = 0;
    {
      auto rows = database_.rows("SELECT min(at) FROM block WHERE tier=?1",
                                 {static_cast<std::int64_t>(number)});
      if (!rows.next()) continue;
      oldest = rows.integer(0);
    }
    database_.run("DELETE FROM block WHERE tier=?1 AND until<=?2 AND at<?3",
                  {static_cast<std::int64_t>(number), newest - of.keep, oldest + 2 * of.span});
  }
}

// Names of which nothing is left.
void History::forget_series() {
  std::set<SeriesId> used;
  std::vector<std::int64_t> rows_there;
  {
    auto rows = database_.rows("SELECT id FROM block WHERE tier>0");
    while (rows.next()) rows_there.push_back(rows.integer(0));
  }
  {
    Database::Parts parts(database_);
    for (const std::int64_t row : rows_there) {
      if (!parts.turn_to(row)) return;
      const auto head = head_of(parts);
      if (!head) continue;
      for (const Entry& entry : head->entries) used.insert(entry.id);
    }
  }
  for (const Fresh& fresh : fresh_) {
    for (const Entry& entry : fresh.head.entries) used.insert(entry.id);
  }
  for (auto it = series_.begin(); it != series_.end();) {
    const bool in_hand = open_ && open_->columns.contains(it->second.id);
    if (in_hand || !it->second.stored || used.contains(it->second.id)) {
      ++it;
      continue;
    }
    database_.run("DELETE FROM series WHERE id=?1", {std::int64_t{it->second.id}});
    it = series_.erase(it);
  }
}

bool History::make_room(std::int64_t bytes) {
  while (database_.is_open() && database_.room() < bytes) {
    if (database_.freed() >= bytes) {
      const std::int64_t before = database_.room();
      database_.shrink();
      if (database_.room() > before) continue;
    }
    // The oldest of the finest tier that has more than one block; what a clock that was wrong
    // dated a day ahead is worth less than all else.
    const Millis newest = last_ ? millis(last_->wall) : 0;
    std::int64_t row = 0;
    for (std::size_t number = 1; row == 0 && number <= tiers_.size(); ++number) {
      auto rows = database_.rows(
          "SELECT id, (SELECT count(*) FROM block WHERE tier=?1) FROM block WHERE tier=?1 "
          "ORDER BY at>?2 DESC, at LIMIT 1",
          {static_cast<std::int64_t>(number), newest + kDay});
      if (rows.next() && rows.integer(1) > 1) row = rows.integer(0);
    }
    if (row == 0) {
      database_.refuse("sample.history_budget is too small for " + std::to_string(series_.size()) +
                       " series");
      return false;
    }
    if (!database_.run("DELETE FROM block WHERE id=?1", {row})) return false;
    for (auto& [name, series] : series_) series.oldest.reset();
    database_.checkpoint();
  }
  return database_.is_open();
}

// --------------------------------------------------------------------------------------- reading

std::optional<BlockHead> History::head_of(Database::Parts& parts) {
  std::string bytes;
  std::optional<BlockHead> head;
  if (parts.read(0, std::min(kHeadGuess, parts.size()), bytes)) {
    const auto length = head_size(bytes);
    if (length && *length <= parts.size() &&
        (*length <= bytes.size() || parts.read(0, *length, bytes))) {
      head = read_head({bytes.data(), *length}, parts.size());
    }
  }
  if (!head) ++damaged_;
  return head;
}

void History::read_into(std::size_t number, SeriesId id, Grid& grid) {
  std::vector<std::int64_t> found;
  {
    auto rows =
        database_.rows("SELECT id FROM block WHERE tier=?1 AND at<?2 AND until>?3 ORDER BY at",
                       {static_cast<std::int64_t>(number), grid.until(), grid.at});
    while (rows.next()) found.push_back(rows.integer(0));
  }
  Database::Parts parts(database_);
  std::string bytes;
  for (const std::int64_t row : found) {
    if (!parts.turn_to(row)) return;
    const auto head = head_of(parts);
    const Entry* entry = head ? head->find(id) : nullptr;
    if (entry == nullptr) continue;
    std::optional<Grid> part;
    if (parts.read(entry->at, entry->length, bytes)) part = read_entry(*head, *entry, bytes);
    if (part) {
      lay_over(grid, *part);
    } else {
      ++damaged_;
    }
  }
}

std::optional<Grid> History::fresh_part(const Fresh& fresh, SeriesId id) {
  const Entry* entry = fresh.head.find(id);
  if (entry == nullptr) return std::nullopt;
  auto part = read_entry(fresh.head, *entry, {fresh.data.data() + entry->at, entry->length});
  if (!part) ++damaged_;
  return part;
}

std::vector<Grid> History::pieces(SeriesId id, std::span<const Fresh> some, const Grid& within) {
  std::vector<Grid> all;
  for (const Fresh& fresh : some) {
    if (apart(fresh.at, fresh.until, within)) continue;
    if (auto part = fresh_part(fresh, id)) all.push_back(std::move(*part));
  }
  return all;
}

void History::fill(std::size_t number, SeriesId id, Grid& grid) {
  read_into(number, id, grid);
  auto all = pieces(id, fresh_, grid);
  // The minute in hand is one piece more.
  if (open_) {
    if (const auto found = open_->columns.find(id); found != open_->columns.end()) {
      Grid in_hand;
      in_hand.at = open_->at;
      in_hand.step = tiers_[0].step;
      in_hand.average = found->second;
      all.push_back(in_hand.trimmed());
    }
  }
  put(grid, all);
}

const Tier& History::fitting(Millis from, Millis to, Millis step, std::size_t& number) const {
  const Millis newest = last_ ? std::min(to, millis(last_->wall)) : to;
  for (number = 1; number < tiers_.size(); ++number) {
    const Tier& of = tier(number);
    const bool reaches = newest - from <= of.keep + kMinute;
    if (reaches && (to - from) / std::max(step, of.step) <= static_cast<Millis>(kPoints)) break;
  }
  return tier(number);
}

Result<Series> History::query(std::string_view name, WallTime from, WallTime to,
                              milliseconds step) {
  const std::string what = "history of " + std::string(name.substr(0, 100));
  if (to <= from) {
    return fail(ErrorKind::invalid_request, what, "it would end before it begins");
  }
  if (step.count() < 0 || step.count() > kLongestStep) {
    return fail(ErrorKind::invalid_request, what, "a step is between 0 and seven days");
  }
  const auto found = series_.find(name);
  if (found == series_.end()) {
    std::string all;
    for (const auto& [each, series] : series_) all += (all.empty() ? "" : ", ") + each;
    return fail(ErrorKind::not_found, "no " + what, "nothing was measured under this name",
                all.empty() ? "" : "there is: " + all.substr(0, 2000));
  }
  (void)ready();
  const Millis end = millis(to);
  // Nothing is older than the last tier and what waits to go into it.
  const Millis begin = std::max(millis(from), end - tiers_[2].keep - 4 * kDay);
  std::size_t number = 0;
  const Tier& of = fitting(begin, end, step.count(), number);
  const Millis until = floor_to(end - 1, of.step) + of.step;
  const Millis slots = std::max<Millis>(1, (end - begin + of.step - 1) / of.step);
  Grid grid(until - slots * of.step, of.step, static_cast<std::size_t>(slots), number > 1);
  fill(number, found->second.id, grid);

  Series series;
  summarize(grid, series);
  Millis between = std::max(of.step, multiple(step.count(), of.step));
  between = std::max(between, multiple((end - begin) / static_cast<Millis>(kPoints), of.step));
  if (between > of.step) {
    const Millis first = floor_to(grid.at, between);
    Grid coarse(first, between,
                static_cast<std::size_t>((grid.until() - first + between - 1) / between), true);
    coarsen_onto(coarse, grid);
    grid = std::move(coarse);
  }
  series.step = milliseconds(between);
  const Grid some = grid.trimmed();
  series.points.reserve(some.average.size());
  bool in_gap = false;
  for (std::size_t i = 0; i < some.average.size(); ++i) {
    const bool gap = std::isnan(some.average[i]);
    if (gap && in_gap) continue;
    in_gap = gap;
    const WallTime at = wall(some.at + some.step * static_cast<Millis>(i));
    series.points.emplace_back(at, gap ? std::nullopt : std::optional(some.average[i]));
  }
  series.oldest = oldest(name);
  return series;
}

Recent History::recent(WallTime to, milliseconds window) {
  (void)ready();
  const Millis step = tiers_[0].step;
  const Millis until = floor_to(millis(to) - 1, step) + step;
  const auto slots = static_cast<std::size_t>(std::max<Millis>(1, window.count() / step));
  Recent out;
  out.at = wall(until - static_cast<Millis>(slots) * step);
  out.step = milliseconds(step);
  for (const auto& [name, series] : series_) {
    Grid grid(millis(out.at), step, slots, false);
    fill(1, series.id, grid);
    if (grid.trimmed().average.empty()) continue;
    Recent::Past past{name, {}};
    past.values.reserve(slots);
    for (const double value : grid.average) past.values.push_back(static_cast<float>(value));
    out.series.push_back(std::move(past));
  }
  return out;
}

std::optional<WallTime> History::oldest(std::string_view name) {
  const auto found = series_.find(name);
  if (found == series_.end()) return std::nullopt;
  Known& series = found->second;
  if (series.oldest) return wall(*series.oldest);
  std::vector<std::int64_t> all;
  {
    auto rows = database_.rows("SELECT id FROM block WHERE tier>0 ORDER BY at, tier DESC");
    while (rows.next()) all.push_back(rows.integer(0));
  }
  Database::Parts parts(database_);
  std::string bytes;
  for (const std::int64_t row : all) {
    if (!parts.turn_to(row)) break;
    const auto head = head_of(parts);
    const Entry* entry = head ? head->find(series.id) : nullptr;
    if (entry == nullptr || !parts.read(entry->at, entry->length, bytes)) continue;
    if (const auto grid = read_entry(*head, *entry, bytes)) {
      series.oldest = grid->at;
      return wall(grid->at);
    }
  }
  for (const Fresh& fresh : fresh_) {
    if (const auto part = fresh_part(fresh, series.id)) {
      series.oldest = part->at;
      return wall(part->at);
    }
  }
  if (open_ && open_->columns.contains(series.id)) return wall(open_->at);
  return std::nullopt;
}

std::vector<std::string> History::names() const {
  std::vector<std::string> all;
  all.reserve(series_.size());
  for (const auto& [name, series] : series_) all.push_back(name);
  return all;
}

}  // namespace headroom::record
