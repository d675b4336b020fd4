#include "act/notify.hpp"

#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <vector>

#include <sys/uio.h>
#include <unistd.h>
#include <boost/json.hpp>

#include "act/command.hpp"
#include "act/door.hpp"

#if __has_include(<systemd/sd-journal.h>)
#include <systemd/sd-journal.h>
#define HEADROOM_HAS_JOURNAL 1
#endif

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace headroom::act {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::string number_text(double number) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", number);
  return text;
}

std::string time_text(WallTime time) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  const std::time_t whole = seconds.count();
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  char text[48];
  std::snprintf(
      text, sizeof text, "%s.%03dZ", date,
      static_cast<int>(std::chrono::duration_cast<milliseconds>(since - seconds).count()));
  return text;
}

tl::unexpected<Error> not_told(const NotifyTarget& target, std::string why, std::string help = {}) {
  return fail(ErrorKind::unavailable, "notify." + target.name + " could not be told",
              std::move(why), std::move(help));
}

Result<void> post(const NotifyTarget& target, const std::string& body, milliseconds within) {
  std::string address = target.url;
  if (!target.url_file.empty()) {
    std::ifstream file(target.url_file);
    std::getline(file, address);
    if (address.empty()) {
      return not_told(target, target.url_file + " holds no address", "write http://… into it");
    }
  }
  // From here on the address stays out of what is said: it may be a secret.
  const auto where = Address::parse(address);
  if (!where) {
    return not_told(target, "its address is not right", "it looks like http://host:port/path");
  }
  const Heard heard = ask(*where, "POST", "", body, {}, {.deadline = Clock::now() + within});
  if (!heard.answered()) return not_told(target, heard.why);
  if (!heard.ok()) {
    return not_told(target, "it answered with status " + std::to_string(heard.status));
  }
  return {};
}

// The environment of the command: ours, and what the alert is about.
std::vector<std::string> command_environment(const Notify& news, const std::string& node) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).starts_with("NOTIFY_SOCKET=")) continue;  // is ours alone
    all.emplace_back(*entry);
  }
  all.push_back("HEADROOM_NODE=" + node);
  all.push_back(std::string("HEADROOM_WHAT=") + to_string(news.what));
  all.push_back(std::string("HEADROOM_LEVEL=") + to_string(news.alert.level));
  all.push_back(std::string("HEADROOM_RESOURCE=") + to_string(news.alert.resource));
  return all;
}

Result<void> run(const NotifyTarget& target, const Notify& news, const std::string& node,
                 const std::string& body, milliseconds within) {
  Command command;
  command.words = target.run;
  command.environment = command_environment(news, node);
  command.input = body;
  const CommandEnd end = run_command(command, Clock::now() + within);
  const std::string program = target.run.empty() ? "" : target.run.front();
  switch (end.how) {
    case CommandEnd::How::not_run:
      return not_told(target, end.why, "look at notify." + target.name + ".run");
    case CommandEnd::How::late:
      return not_told(target, program + " took longer than " + std::to_string(within.count()) +
                                  " ms and was ended");
    case CommandEnd::How::killed:
      return not_told(target, program + " died of signal " + std::to_string(end.number));
    case CommandEnd::How::exited:
      break;
  }
  if (end.number != 0) {
    return not_told(target, program + " ended with " + std::to_string(end.number));
  }
  return {};
}

Result<void> write_journal(const NotifyTarget& target, const Notify& news,
                           const std::string& text) {
#ifdef HEADROOM_HAS_JOURNAL
  const Alert& alert = news.alert;
  const int priority = alert.ended                       ? 5
                       : alert.level == Level::emergency ? 1
                       : alert.level == Level::critical  ? 2
                                                         : 4;
  std::vector<std::string> fields = {
      "MESSAGE=" + text,
      "PRIORITY=" + std::to_string(priority),
      "SYSLOG_IDENTIFIER=headroomd",
      std::string("HEADROOM_WHAT=") + to_string(news.what),
      "HEADROOM_ALERT=a" + std::to_string(alert.id),
      std::string("HEADROOM_LEVEL=") + to_string(alert.level),
      std::string("HEADROOM_RESOURCE=") + to_string(alert.resource),
      "HEADROOM_DEVICE=" + alert.device,
      "HEADROOM_VALUE=" + number_text(alert.value),
      "HEADROOM_THRESHOLD=" + number_text(alert.threshold),
  };
  std::vector<iovec> parts;
  for (std::string& field : fields) parts.push_back({field.data(), field.size()});
  const int done = sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
  if (done < 0) return not_told(target, std::string("the journal: ") + std::strerror(-done));
  return {};
#else
  (void)news;
  (void)text;
  return not_told(target, "this build knows no systemd journal");
#endif
}

}  // namespace

std::string notify_text(const Notify& news, const std::string& node) {
  const Alert& alert = news.alert;
  std::string text = node + ": " + alert.text;
  if (!alert.device.empty()) text += " on " + alert.device;
  if (alert.ended) {
    return text + " ended after " +
           std::to_string(alert.lasted.value_or(std::chrono::seconds(0)).count()) + " s";
  }
  return text + ": " + to_string(alert.level) + ", " + number_text(alert.value) + ", line " +
         number_text(alert.threshold) + " (" + to_string(news.what) + ")";
}

std::string notify_json(const Notify& news, const std::string& node) {
  const Alert& alert = news.alert;
  boost::json::object about{{"id", "a" + std::to_string(alert.id)},
                            {"severity", to_string(alert.level)},
                            {"resource", to_string(alert.resource)},
                            {"device", nullptr},
                            {"text", alert.text},
                            {"value", alert.value},
                            {"threshold", alert.threshold},
                            {"since", time_text(alert.since)},
                            {"ended", nullptr}};
  if (!alert.device.empty()) about["device"] = alert.device;
  if (alert.ended) about["ended"] = time_text(*alert.ended);
  return boost::json::serialize(boost::json::object{{"text", notify_text(news, node)},
                                                    {"node", node},
                                                    {"what", to_string(news.what)},
                                                    {"alert", std::move(about)}});
}

Result<void> notify(const NotifyTarget& target, const Notify& news, const std::string& node,
                    milliseconds within) {
  switch (target.kind) {
    case NotifyKind::webhook:
      return post(target, notify_json(news, node), within);
    case NotifyKind::command:
      return run(target, news, node, notify_json(news, node), within);
    case NotifyKind::journal:
      break;
  }
  return write_journal(target, news, notify_text(news, node));
}

}  // namespace headroom::act
