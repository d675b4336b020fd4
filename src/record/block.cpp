#include "record/block.hpp"

#include <algorithm>

#include <zlib.h>

#include "record/bytes.hpp"
#include "record/codec.hpp"

namespace headroom::record {
namespace {

// A block: the sum of the head (4 bytes), its length (varint), the head: at and step (zigzag
// varints), the number of series, and for each the distance to the id before and the length of its
// entry. Then the entries. An entry: its sum (4 bytes), 1 or 3 columns, the first slot (varint),
// and the columns, each but the last after its length. The sum of an entry covers the head's too,
// so that an entry of another block is not taken for this one's.
constexpr Millis kLongestStep = 7LL * 86400 * 1000;

std::uint32_t sum_of(std::string_view bytes, std::uint32_t seed = 0) {
  return static_cast<std::uint32_t>(
      crc32(seed, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::uint32_t seed_of(Millis at, Millis step, SeriesId id) {
  std::string text;
  put_varint(text, zigzag(at));
  put_varint(text, zigzag(step));
  put_varint(text, id);
  return sum_of(text);
}

}  // namespace

const Entry* BlockHead::find(SeriesId id) const {
  const auto found =
      std::lower_bound(entries.begin(), entries.end(), id,
                       [](const Entry& entry, SeriesId one) { return entry.id < one; });
  return found != entries.end() && found->id == id ? &*found : nullptr;
}

std::optional<std::size_t> head_size(std::string_view bytes) {
  ByteReader reader(bytes);
  reader.fixed();
  const std::uint64_t length = reader.varint();
  if (reader.bad() || length > kLongestHead) return std::nullopt;
  return bytes.size() - reader.rest().size() + length;
}

std::optional<BlockHead> read_head(std::string_view bytes, std::size_t size) {
  ByteReader reader(bytes);
  const std::uint32_t sum = reader.fixed();
  const std::uint64_t length = reader.varint();
  if (reader.bad() || length != reader.rest().size() ||
      sum != sum_of(reader.rest(), sum_of(std::to_string(size)))) {
    return std::nullopt;
  }
  BlockHead head;
  head.at = unzigzag(reader.varint());
  head.step = unzigzag(reader.varint());
  const std::uint64_t count = reader.varint();
  if (reader.bad() || head.step <= 0 || head.step > kLongestStep || head.at % head.step != 0 ||
      count > reader.rest().size()) {
    return std::nullopt;
  }
  std::uint64_t id = 0;
  std::size_t at = bytes.size();
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t distance = reader.varint();
    const std::uint64_t bytes_of_it = reader.varint();
    id += distance;
    if (reader.bad() || (i > 0 && distance == 0) || id > UINT32_MAX || bytes_of_it > size - at) {
      return std::nullopt;
    }
    head.entries.push_back({static_cast<SeriesId>(id), at, bytes_of_it});
    at += bytes_of_it;
  }
  if (!reader.rest().empty() || at != size) return std::nullopt;
  return head;
}

std::optional<Grid> read_entry(const BlockHead& head, const Entry& entry, std::string_view bytes) {
  ByteReader fields(bytes);
  const std::uint32_t sum = fields.fixed();
  if (fields.bad() || sum != sum_of(fields.rest(), seed_of(head.at, head.step, entry.id))) {
    return std::nullopt;
  }
  const std::uint64_t columns = fields.varint();
  const std::uint64_t first = fields.varint();
  if (fields.bad() || (columns != 1 && columns != 3) || first > kColumnSlots) return std::nullopt;
  Grid grid;
  grid.step = head.step;
  grid.at = head.at + static_cast<Millis>(first) * head.step;
  std::vector<double>* const all[] = {&grid.average, &grid.least, &grid.largest};
  for (std::uint64_t i = 0; i < columns; ++i) {
    std::string_view column = fields.rest();
    if (i + 1 < columns) {
      const std::uint64_t length = fields.varint();
      if (fields.bad() || length > fields.rest().size()) return std::nullopt;
      column = fields.rest().substr(0, length);
      fields = ByteReader(fields.rest().substr(length));
    }
    if (!decode_column(column, *all[i]) || all[i]->size() != grid.average.size()) {
      return std::nullopt;
    }
  }
  return grid;
}

void BlockMaker::add(SeriesId id, const Grid& grid) {
  const Grid some = grid.trimmed();
  if (some.average.empty()) return;
  std::string entry;
  put_varint(entry, some.coarse() ? 3 : 1);
  put_varint(entry, static_cast<std::uint64_t>((some.at - at_) / step_));
  std::string column;
  if (some.coarse()) {
    for (const auto* each : {&some.average, &some.least}) {
      column.clear();
      encode_column(*each, column);
      put_varint(entry, column.size());
      entry += column;
    }
    encode_column(some.largest, entry);
  } else {
    encode_column(some.average, entry);
  }
  const std::size_t at = body_.size();
  put_fixed(body_, sum_of(entry, seed_of(at_, step_, id)));
  body_ += entry;
  entries_.push_back({id, at, body_.size() - at});
}

std::string BlockMaker::make() const {
  std::string head;
  put_varint(head, zigzag(at_));
  put_varint(head, zigzag(step_));
  put_varint(head, entries_.size());
  SeriesId last = 0;
  for (const Entry& entry : entries_) {
    put_varint(head, entry.id - last);
    put_varint(head, entry.length);
    last = entry.id;
  }
  std::string length;
  put_varint(length, head.size());
  const std::size_t size = 4 + length.size() + head.size() + body_.size();
  std::string out;
  out.reserve(size);
  put_fixed(out, sum_of(head, sum_of(std::to_string(size))));
  out += length;
  out += head;
  out += body_;
  return out;
}

}  // namespace headroom::record
