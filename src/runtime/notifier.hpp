// Tells people of alerts, off the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <headroom/pressure.hpp>

#include "words/config.hpp"
#include "words/effect.hpp"

namespace boost::asio {
class io_context;
}

namespace headroom::runtime {

/// Whether `target` wants to hear of this: a level that it names, or else `lowest` and above.
bool wants(const NotifyTarget& target, Level lowest, const Alert& alert);

/// Owns one thread, which is there only once there was something to tell. Loop thread only.
class Notifier {
 public:
  /// `failed` is called on the loop: with what went wrong when somebody could not be told, once
  /// until it works again, and then with "" .
  Notifier(boost::asio::io_context& io, std::string node,
           std::function<void(const std::string& target, const std::string& problem)> failed);
  ~Notifier();  ///< waits for the telling in hand, at most its time; drops the rest

  /// Tells those who want to know; those who heard of an alert also hear how it goes on. Each is
  /// tried three times. At most 256 wait; more are counted as failed.
  void tell(const Config& config, const Notify& news);

  std::uint64_t failures() const;

 private:
  struct Work;
  std::shared_ptr<Work> work_;
};

}  // namespace headroom::runtime
