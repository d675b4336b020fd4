#include "cli/needs.hpp"

#include <charconv>
#include <cmath>

#include "cli/units.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

bool is_percent(const std::string& text) { return !text.empty() && text.back() == '%'; }

template <class Number>
Result<Number> whole_number(const std::string& flag, const std::string& text, Number least) {
  Number number{};
  const auto* const end = text.data() + text.size();
  const auto [stop, ec] = std::from_chars(text.data(), end, number);
  if (ec != std::errc() || stop != end || number < least) {
    return fail(ErrorKind::invalid_request, flag + " cannot be '" + text + "'",
                "it is a number from " + std::to_string(least));
  }
  return number;
}

/// The share of a capacity in the /room document; the smallest of several GPUs, so that what is
/// asked for fits on any.
Result<double> share_of(const std::string& flag, const std::string& text, const value& room,
                        std::string_view resource, const char* capacity_key) {
  const auto percent = text.substr(0, text.size() - 1);
  double share = 0;
  const auto* const end = percent.data() + percent.size();
  const auto [stop, ec] = std::from_chars(percent.data(), end, share);
  if (ec != std::errc() || stop != end || !(share > 0 && share <= 100)) {
    return fail(ErrorKind::invalid_request, flag + " cannot be '" + text + "'",
                "a percent lies above 0 and up to 100");
  }
  std::optional<double> capacity;
  for (const auto& item : client::list(room)) {
    if (client::text(item, "resource") != resource) continue;
    const auto one = client::number(item, capacity_key);
    if (one && (!capacity || *one < *capacity)) capacity = one;
  }
  if (!capacity) {
    return fail(ErrorKind::invalid_request, flag + " cannot be a percent here",
                "the capacity is unknown", flag + " with a size, such as 4G");
  }
  return *capacity * share / 100.0;
}

Result<void> add_bytes(object& needs, const std::string& flag, const std::string& text,
                       const value& room, std::string_view resource, const char* key) {
  if (text.empty()) return {};
  if (is_percent(text)) {
    const auto share = share_of(flag, text, room, resource, "capacity_bytes");
    if (!share) return tl::unexpected<Error>(share.error());
    needs[key] = static_cast<std::int64_t>(*share);
    return {};
  }
  const auto bytes = settings::parse_bytes(text);
  if (!bytes) {
    auto error = bytes.error();
    error.what = flag + ": " + error.what;
    return tl::unexpected<Error>(std::move(error));
  }
  if (bytes->count() <= 0) {
    return fail(ErrorKind::invalid_request, flag + " cannot be '" + text + "'",
                "an amount that is asked for is above 0");
  }
  needs[key] = bytes->count();
  return {};
}

}  // namespace

void NeedsOptions::add_to(Options& options) {
  options.value("--mem,--memory", memory, "memory, such as 6G or 25%");
  options.value("--gpu-mem,--gpu-memory", gpu_memory, "GPU memory on each device");
  options.value("--cpu", cpu, "cores, such as 4 or 0.5");
  options.value("--disk", disk, "disk space");
  options.value("--disk-path", disk_path, "where that disk space is wanted");
  options.value("--gpus", gpus, "so many whole devices, all or none");
  options.value("--gpu", gpu, "this device only: index or UUID; or several: 0,1");
  options.value("--compute", compute, "least CUDA compute capability, such as 8.0");
  options.flag("--exclusive", exclusive, "a whole device, shared with nobody");
}

bool NeedsOptions::any() const {
  return !memory.empty() || !gpu_memory.empty() || !cpu.empty() || !disk.empty() || !gpus.empty() ||
         !gpu.empty() || !compute.empty() || exclusive;
}

bool has_percent(const NeedsOptions& options) {
  return is_percent(options.memory) || is_percent(options.gpu_memory) || is_percent(options.cpu) ||
         is_percent(options.disk);
}

Result<object> needs_of(const NeedsOptions& options, const value& room) {
  object needs;
  const auto bytes = [&](const char* flag, const std::string& text, std::string_view resource,
                         const char* key) {
    return add_bytes(needs, flag, text, room, resource, key);
  };
  if (auto r = bytes("--mem", options.memory, "memory", "memory_bytes"); !r) {
    return tl::unexpected<Error>(r.error());
  }
  if (auto r = bytes("--gpu-mem", options.gpu_memory, "gpu_memory", "gpu_memory_bytes"); !r) {
    return tl::unexpected<Error>(r.error());
  }
  if (auto r = bytes("--disk", options.disk, "disk", "disk_bytes"); !r) {
    return tl::unexpected<Error>(r.error());
  }
  if (is_percent(options.cpu)) {
    const auto share = share_of("--cpu", options.cpu, room, "cpu", "capacity_cores");
    if (!share) return tl::unexpected<Error>(share.error());
    needs["cpu_cores"] = std::round(*share * 1000.0) / 1000.0;
  } else if (!options.cpu.empty()) {
    const auto cores = settings::parse_cores(options.cpu);
    if (!cores) {
      auto error = cores.error();
      error.what = "--cpu: " + error.what;
      return tl::unexpected<Error>(std::move(error));
    }
    if (cores->milli() <= 0) {
      return fail(ErrorKind::invalid_request, "--cpu cannot be '" + options.cpu + "'",
                  "an amount that is asked for is above 0");
    }
    needs["cpu_cores"] = cores->value();
  }
  if (!options.disk_path.empty()) {
    if (options.disk.empty()) {
      return fail(ErrorKind::invalid_request, "--disk-path stands alone", "it says where --disk is",
                  "--disk 20G --disk-path " + options.disk_path);
    }
    needs["disk_path"] = options.disk_path;
  }
  if (!options.gpus.empty()) {
    const auto gpus = whole_number<int>("--gpus", options.gpus, 1);
    if (!gpus) return tl::unexpected<Error>(gpus.error());
    needs["gpus"] = *gpus;
  } else if (options.exclusive) {
    needs["gpus"] = 1;
  }
  if (!options.gpu.empty()) needs["gpu"] = options.gpu;
  if (!options.compute.empty()) {
    const auto compute = whole_number<double>("--compute", options.compute, 0);
    if (!compute) return tl::unexpected<Error>(compute.error());
    needs["compute"] = *compute;
  }
  return needs;
}

std::string show_size(const value& size) {
  const auto from = printable(client::text(size, "from"));
  if (from.empty()) return {};
  std::string text = from;
  if (const auto runs = client::whole(size, "runs"); runs && *runs > 0) {
    const auto count = std::to_string(*runs) + (*runs == 1 ? " run" : " runs");
    text = from == "learned" ? "learned from " + count : from + " (" + count + ")";
    if (const auto deaths = client::whole(size, "deaths"); deaths && *deaths > 0) {
      text += ", " + std::to_string(*deaths) + " of which died for want of memory";
    }
  }
  std::string amounts;
  const auto add = [&](const char* key, const char* what) {
    const auto p50 = client::whole(size, std::string(key) + ".p50_bytes");
    const auto p95 = client::whole(size, std::string(key) + ".p95_bytes");
    if (!p50 || !p95) return;
    amounts += (amounts.empty() ? ": " : ", ") + show_bytes(*p50) + what;
    if (*p50 != *p95) amounts += " (p95 " + show_bytes(*p95) + ")";
  };
  add("gpu_memory", " GPU memory");
  add("memory", " memory");
  text += amounts;
  const auto least = client::whole(size, "beyond_model.p50_bytes");
  const auto most = client::whole(size, "beyond_model.p95_bytes");
  if (least && most && *most > 0) {
    text += ", of which " + show_bytes(*least) + " to " + show_bytes(*most) +
            " that its process takes beyond it";
  }
  return text;
}

std::string show_amounts(const value& amounts) {
  std::string line;
  const auto add = [&](const std::string& part) { line += (line.empty() ? "" : ", ") + part; };
  const auto bytes = [&](const char* key, const char* what) {
    const auto count = client::whole(amounts, key);
    if (count && *count != 0) add(show_bytes(*count) + what);
  };
  const auto gpus = client::whole(amounts, "gpus");
  bytes("gpu_memory_bytes", gpus && *gpus > 1 ? " GPU memory each" : " GPU memory");
  if (gpus && *gpus > 0) {
    add(*gpus == 1 ? "1 whole GPU" : std::to_string(*gpus) + " whole GPUs");
  }
  bytes("memory_bytes", " memory");
  if (const auto cores = client::number(amounts, "cpu_cores"); cores && *cores > 0) {
    add(show_cores(*cores));
  }
  bytes("disk_bytes", " disk");
  if (const auto compute = client::number(amounts, "compute"); compute && *compute > 0) {
    add("compute " + show_number(*compute, 1));
  }
  if (const auto gpu = client::text(amounts, "gpu"); !gpu.empty()) add("on GPU " + printable(gpu));
  return line;
}

}  // namespace headroom::cli
