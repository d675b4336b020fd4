// The names of users.
#pragma once

#include <map>
#include <string>

#include <sys/types.h>

namespace headroom::serve {

/// Looks each user up once: doing so may read files or ask a server. At most a thousand are kept.
class UserNames {
 public:
  /// The user's name, or the number as text where there is none. The reference is good until the
  /// next call.
  const std::string& name(uid_t uid);

 private:
  std::map<uid_t, std::string> names_;
};

}  // namespace headroom::serve
