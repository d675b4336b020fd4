#include "sense/mounts_served.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <sys/vfs.h>

namespace headroom::sense {

/// One question and its answer. Guarded by the board's lock, but for `path`, which stays.
struct ServedMounts::Question {
  std::string path;
  bool answered = false;
  int problem = 0;
  struct ::statfs space{};
};

/// Where the threads pin their answers.
struct ServedMounts::Board {
  explicit Board(Ask how) : ask(std::move(how)) {}

  const Ask ask;
  std::mutex lock;
  std::condition_variable changed;
  std::size_t asking = 0;
  bool interrupted = false;
};

struct ServedMounts::Entry {
  std::string device;
  FilesystemReading reading;
  bool known = false;                  ///< it answered once
  bool due = false;                    ///< still to be asked in this round
  bool refused = false;                ///< no thread could be had for its question
  bool asked = false;                  ///< in this round: worth to wait for
  int problem = 0;                     ///< of the last answer, or why it was refused
  std::shared_ptr<Question> question;  ///< not answered yet
};

namespace {

int ask_kernel(const std::string& path, struct ::statfs& out) {
  return ::statfs(path.c_str(), &out) == 0 ? 0 : errno;
}

}  // namespace

ServedMounts::ServedMounts(std::string root, std::chrono::milliseconds patience)
    : ServedMounts(std::move(root), patience, ask_kernel) {}

ServedMounts::ServedMounts(std::string root, std::chrono::milliseconds patience, Ask ask)
    : root_(std::move(root)),
      patience_(patience),
      board_(std::make_shared<Board>(std::move(ask))) {}

ServedMounts::~ServedMounts() = default;

void ServedMounts::set(const std::vector<Mount>& mounts) {
  std::vector<Entry> entries;
  entries.reserve(mounts.size());
  for (const Mount& mount : mounts) {
    const auto old = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return entry.reading.mount == mount.mount && entry.device == mount.device;
    });
    if (old != entries_.end()) {
      entries.push_back(std::move(*old));
      entries_.erase(old);
      continue;
    }
    Entry entry;
    entry.device = mount.device;
    entry.reading.mount = mount.mount;
    entry.reading.source = mount.source;
    entry.reading.type = mount.type;
    entry.reading.network = is_network_type(mount.type);
    entries.push_back(std::move(entry));
  }
  entries_ = std::move(entries);
}

/// Starts the thread of one question. The board is held.
void ServedMounts::start(Entry& entry) {
  auto question = std::make_shared<Question>();
  question->path = root_ + entry.reading.mount;
  // Signals are for the thread that waits for them.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([board = board_, question] {
      struct ::statfs space{};
      const int problem = board->ask(question->path, space);
      const std::lock_guard<std::mutex> hold(board->lock);
      question->problem = problem;
      question->space = space;
      question->answered = true;
      --board->asking;
      board->changed.notify_all();
    }).detach();
  } catch (const std::system_error& error) {
    entry.refused = true;
    entry.problem = error.code().value();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (entry.refused) return;
  ++board_->asking;
  entry.question = std::move(question);
}

void ServedMounts::read(std::vector<FilesystemReading>& out, std::vector<Absence>& absent) {
  const auto until = std::chrono::steady_clock::now() + patience_;
  for (Entry& entry : entries_) {
    entry.due = entry.question == nullptr;
    entry.refused = entry.asked = false;
  }
  std::unique_lock<std::mutex> hold(board_->lock);
  for (bool late = false;;) {
    bool worth_waiting = false;
    for (Entry& entry : entries_) {
      if (entry.question && entry.question->answered) {
        const Question& question = *entry.question;
        entry.problem = question.problem;
        entry.known = question.problem == 0;
        if (entry.known) fill_space(question.space, entry.reading);
        entry.question.reset();
      }
      if (entry.due && board_->asking < kMostAsking && !board_->interrupted) {
        entry.due = false;
        entry.asked = true;
        start(entry);
      }
      worth_waiting = worth_waiting || (entry.asked && entry.question);
    }
    if (!worth_waiting || late || board_->interrupted) break;
    late = board_->changed.wait_until(hold, until) == std::cv_status::timeout;
  }

  out.clear();
  for (Entry& entry : entries_) {
    const bool silent = entry.due || entry.question || entry.refused;
    entry.reading.stale = silent;
    if (entry.known) out.push_back(entry.reading);
    if (!silent && entry.problem == 0) continue;
    Absence absence{"disk " + entry.reading.mount, "", ""};
    if (entry.due) {
      absence.reason = "not asked, since others that do not answer stand in the way";
    } else if (entry.question) {
      absence.reason =
          entry.reading.source + " does not answer" + (entry.known ? ": the numbers are old" : "");
      absence.fix = "see whether the server or process behind it is alive; umount -l lets go of it";
    } else {
      absence.reason = root_ + entry.reading.mount + ": " + words_of(entry.problem);
    }
    absent.push_back(std::move(absence));
  }
  // Portals and empty gateways tell a size of nothing: that is no storage.
  std::erase_if(out, [](const FilesystemReading& reading) { return reading.total <= Bytes(); });
}

void ServedMounts::interrupt() {
  const std::lock_guard<std::mutex> hold(board_->lock);
  board_->interrupted = true;
  board_->changed.notify_all();
}

std::size_t ServedMounts::asking() const {
  const std::lock_guard<std::mutex> hold(board_->lock);
  return board_->asking;
}

}  // namespace headroom::sense
