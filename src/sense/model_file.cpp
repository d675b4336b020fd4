#include "sense/model_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sense/gguf.hpp"
#include "sense/safetensors.hpp"

namespace headroom::sense {
namespace {

constexpr std::size_t kWindowBytes = 64 * 1024;
constexpr std::size_t kMostShown = 80;  // characters

ErrorKind kind_of(int error) {
  if (error == ENOENT || error == ENOTDIR) return ErrorKind::not_found;
  if (error == EACCES || error == EPERM) return ErrorKind::not_allowed;
  return ErrorKind::unavailable;
}

const char* help_for(int error) {
  if (error == ENOENT || error == ENOTDIR) return "name a GGUF or safetensors file, or its folder";
  if (error == EACCES || error == EPERM) return "ask as a user who may read it";
  return "";
}

}  // namespace

Result<ModelFile> ModelFile::open(const std::string& path) {
  // A path may name a pipe: opening it must not wait for its writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    const int error = errno;
    return fail(kind_of(error), "opening " + shown(path), std::strerror(error), help_for(error));
  }
  ModelFile file(fd, 0);
  struct ::stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < 0) {
    return fail(ErrorKind::invalid_request, "opening " + shown(path), "it is no regular file",
                "name a GGUF or safetensors file, or its folder");
  }
  file.size_ = static_cast<std::uint64_t>(status.st_size);
  return file;
}

ModelFile::ModelFile(ModelFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

ModelFile::~ModelFile() {
  if (fd_ >= 0) ::close(fd_);
}

HeaderBytes::HeaderBytes(std::string_view bytes, std::uint64_t file_size)
    : end_(std::min<std::uint64_t>({bytes.size(), file_size, kMostHeaderBytes})),
      file_size_(file_size) {
  bytes_ = bytes.substr(0, static_cast<std::size_t>(end_));
}

HeaderBytes::HeaderBytes(const ModelFile& file)
    : fd_(file.descriptor()),
      window_(kWindowBytes),
      end_(std::min(file.size(), kMostHeaderBytes)),
      file_size_(file.size()) {}

void HeaderBytes::end_at(std::uint64_t end) {
  end_ = std::clamp(end, at(), end_);
  bytes_ = bytes_.substr(0, static_cast<std::size_t>(end_ - start_));
}

bool HeaderBytes::fail() {
  failed_ = true;
  bytes_ = bytes_.substr(0, used_);
  return false;
}

bool HeaderBytes::refill() {
  if (failed_ || fd_ < 0 || at() >= end_) return false;
  start_ = at();
  used_ = 0;
  bytes_ = {};
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(kWindowBytes, end_ - start_));
  ssize_t got = 0;
  do {
    got = ::pread(fd_, window_.data(), wanted, static_cast<off_t>(start_));
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return false;  // cut meanwhile, or the disk does not give it
  bytes_ = {window_.data(), static_cast<std::size_t>(got)};
  return true;
}

bool HeaderBytes::take(void* out, std::size_t count) {
  if (failed_ || count > left()) return fail();
  char* to = static_cast<char*>(out);
  while (count > 0) {
    if (used_ == bytes_.size() && !refill()) return fail();
    const std::size_t part = std::min(count, bytes_.size() - used_);
    std::memcpy(to, bytes_.data() + used_, part);
    to += part;
    used_ += part;
    count -= part;
  }
  return true;
}

bool HeaderBytes::skip(std::uint64_t count) {
  if (failed_ || count > left()) return fail();
  if (count <= bytes_.size() - used_) {
    used_ += static_cast<std::size_t>(count);
  } else {  // only a file has more than is in reach
    start_ = at() + count;
    used_ = 0;
    bytes_ = {};
  }
  return true;
}

int HeaderBytes::peek_further() {
  if (failed_ || left() == 0) return -1;
  if (!refill()) {
    fail();
    return -1;
  }
  return static_cast<unsigned char>(bytes_[used_]);
}

bool overlap(std::vector<Extent>& extents) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  for (std::size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin < extents[i - 1].end) return true;
  }
  return false;
}

bool repeats(std::vector<std::uint64_t>& hashes) {
  std::sort(hashes.begin(), hashes.end());
  return std::adjacent_find(hashes.begin(), hashes.end()) != hashes.end();
}

std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ULL;
  }
  return hash;
}

std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMostShown)) {
    out += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c;
  }
  if (text.size() > kMostShown) out += "...";
  return out;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

Result<ModelShape> read_model(const std::string& path) {
  struct ::stat status{};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return read_safetensors(path);
  const std::string_view name = path;
  if (name.ends_with(".safetensors") || name.ends_with(".json")) return read_safetensors(path);
  if (name.ends_with(".gguf")) return read_gguf(path);
  // Ollama and caches name files by their hash: the first bytes tell.
  const auto file = ModelFile::open(path);
  if (!file) return tl::unexpected(file.error());
  HeaderBytes bytes(*file);
  char magic[4] = {};
  if (bytes.take(magic, sizeof magic) && std::memcmp(magic, "GGUF", 4) == 0) return read_gguf(path);
  return read_safetensors(path);
}

}  // namespace headroom::sense
