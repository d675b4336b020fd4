#include "act/held_files.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "act/refusal.hpp"

namespace headroom::act {

struct HeldFiles::File {
  explicit File(int opened) : fd(opened) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { ::close(fd); }

  const int fd;
};

Result<std::shared_ptr<const HeldFiles::File>> HeldFiles::file(const std::string& folder,
                                                               const Key& key) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = held_.find(key); found != held_.end()) {
      found->second.used = ++uses_;
      return found->second.file;
    }
  }
  if (auto may = check_(folder); !may) return tl::unexpected(std::move(may.error()));
  const int fd = ::open(key.first.c_str(), (key.second ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
  if (fd < 0) return tl::unexpected(refusal("cannot open " + key.first, errno));
  auto opened = std::make_shared<const File>(fd);
  const std::lock_guard lock(mutex_);
  held_.insert_or_assign(key, Held{opened, ++uses_, {}});
  if (held_.size() > most_) {
    held_.erase(std::min_element(held_.begin(), held_.end(), [](const auto& a, const auto& b) {
      return a.second.used < b.second.used;
    }));
  }
  return opened;
}

void HeldFiles::drop(const Key& key, const std::shared_ptr<const File>& file) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(key);
  if (found != held_.end() && found->second.file == file) held_.erase(found);
}

template <class Deed>
Result<std::shared_ptr<const HeldFiles::File>> HeldFiles::with(const std::string& folder,
                                                               const Key& key,
                                                               const std::string& what,
                                                               const Deed& deed) {
  for (bool again = false;; again = true) {
    auto file = this->file(folder, key);
    if (!file) return file;
    int error;
    do {
      error = deed((*file)->fd);
    } while (error == EINTR);
    if (error == 0) return file;
    if (error == ENODEV) drop(key, *file);
    if (error != ENODEV || again) return tl::unexpected(refusal(what + key.first, error));
  }
}

Result<std::string> HeldFiles::read(const std::string& folder, const char* name) {
  std::string text;
  const auto done = with(folder, {folder + "/" + name, false}, "cannot read ", [&](int fd) {
    char chunk[4096];
    const ssize_t got = ::pread(fd, chunk, sizeof chunk, 0);
    if (got < 0) return errno;
    text.assign(chunk, static_cast<std::size_t>(got));
    return 0;
  });
  if (!done) return tl::unexpected(done.error());
  return text;
}

Result<void> HeldFiles::write(const std::string& folder, const char* name, std::string_view text) {
  const std::string what = "cannot write \"" + std::string(text) + "\" to ";
  const Key key{folder + "/" + name, true};
  const auto done = with(folder, key, what, [&](int fd) {
    const ssize_t put = ::pwrite(fd, text.data(), text.size(), 0);
    if (put < 0) return errno;
    return put == static_cast<ssize_t>(text.size()) ? 0 : EIO;
  });
  if (!done) return tl::unexpected(done.error());
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(key);
  if (found != held_.end() && found->second.file == *done) found->second.written = text;
  return {};
}

std::string HeldFiles::last_written(const std::string& folder, const char* name) const {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find({folder + "/" + name, true});
  return found == held_.end() ? std::string() : found->second.written;
}

void HeldFiles::forget(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  const std::string inside = folder + "/";
  auto first = held_.lower_bound({inside, false});
  auto last = first;
  while (last != held_.end() && last->first.first.starts_with(inside)) ++last;
  held_.erase(first, last);
}

std::size_t HeldFiles::open_now() const {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

}  // namespace headroom::act
