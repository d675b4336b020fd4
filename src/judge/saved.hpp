// States of judge as bytes, so that a restart need not learn anew.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <headroom/result.hpp>

namespace headroom::judge {

/// FNV-1a, 64 bits: finds accidents, not attacks.
inline std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t sum = 14695981039346656037U;
  for (const char byte : bytes) sum = (sum ^ static_cast<unsigned char>(byte)) * 1099511628211U;
  return sum;
}

/// The object itself between its name and a checksum: for the same build on the same machine.
template <class State>
std::string save_state(std::string_view name, const State& state) {
  static_assert(std::is_trivially_copyable_v<State>);
  std::string bytes(name);
  bytes.append(reinterpret_cast<const char*>(&state), sizeof state);
  const std::uint64_t sum = checksum(bytes);
  bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return bytes;
}

inline tl::unexpected<Error> damaged_state(std::string_view name) {
  return fail(ErrorKind::invalid_request, "cannot take up the state \"" + std::string(name) + '"',
              "it is damaged, or of another version");
}

/// What save_state() wrote under the same name. Errors: invalid_request. Its values are not judged.
template <class State>
Result<State> restore_state(std::string_view name, std::string_view bytes) {
  std::uint64_t sum = 0;
  if (bytes.size() != name.size() + sizeof(State) + sizeof sum || !bytes.starts_with(name))
    return damaged_state(name);
  const std::size_t end = bytes.size() - sizeof sum;
  std::memcpy(&sum, bytes.data() + end, sizeof sum);
  if (sum != checksum(bytes.substr(0, end))) return damaged_state(name);
  State state;
  std::memcpy(&state, bytes.data() + name.size(), sizeof state);
  return state;
}

/// Puts a piece of any length behind others.
inline void append_piece(std::string& out, std::string_view piece) {
  const auto length = static_cast<std::uint32_t>(piece.size());
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  out.append(piece);
}
/// Takes the first piece off; empty: there is none, or it is cut.
inline std::optional<std::string_view> next_piece(std::string_view& rest) {
  std::uint32_t length = 0;
  if (rest.size() < sizeof length) return std::nullopt;
  std::memcpy(&length, rest.data(), sizeof length);
  if (rest.size() - sizeof length < length) return std::nullopt;
  const std::string_view piece = rest.substr(sizeof length, length);
  rest.remove_prefix(sizeof length + length);
  return piece;
}

}  // namespace headroom::judge
