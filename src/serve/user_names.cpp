#include "serve/user_names.hpp"

#include <array>

#include <pwd.h>

namespace headroom::serve {

const std::string& UserNames::name(uid_t uid) {
  const auto known = names_.find(uid);
  if (known != names_.end()) return known->second;
  if (names_.size() >= 1000) names_.clear();
  std::array<char, 1024> buffer;
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  return names_.emplace(uid, found != nullptr ? found->pw_name : std::to_string(uid)).first->second;
}

}  // namespace headroom::serve
