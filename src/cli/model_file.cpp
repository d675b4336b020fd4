#include "cli/model_file.hpp"

#include <charconv>

#include "cli/table.hpp"
#include "cli/units.hpp"
#include "decide/footprint.hpp"
#include "sense/model_file.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

Result<std::uint32_t> count_of(const char* flag, const std::string& text, std::uint32_t otherwise) {
  if (text.empty()) return otherwise;
  std::uint32_t number = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, ec] = std::from_chars(text.data(), end, number);
  if (ec != std::errc() || stop != end || number == 0) {
    return fail(ErrorKind::invalid_request, std::string(flag) + " cannot be '" + text + "'",
                "it is a whole number above 0");
  }
  return number;
}

/// The largest context with which it fits; 0: none does. Empty: it cannot be said.
std::optional<std::uint32_t> largest_context(const FileEstimate& estimate, std::int64_t room) {
  if (room < 0 || estimate.shape.embedding_only) return {};
  const auto largest =
      decide::largest_that_fits(estimate.shape, estimate.run, decide::Knob::context, Bytes(room));
  if (!largest) return {};
  return largest->value_or(0);
}

}  // namespace

void ModelFileOptions::add_to(Options& options) {
  options.value("--model-file", file, "what this file (GGUF, safetensors) or folder says it takes");
  options.value("--context", context, "with --model-file: tokens of a slot; 4096 unless said");
  options.value("--slots", slots, "with --model-file: sequences at once; 1 unless said");
  options.value("--batch", batch, "with --model-file: tokens computed at once; 512 unless said");
  options.value("--cache-type", cache_type,
                "with --model-file: of keys and values: f16, q8_0, q4_0, fp8 and so on");
}

Result<FileEstimate> estimate_file(const ModelFileOptions& options) {
  FileEstimate estimate;
  ModelRun& run = estimate.run;
  for (const auto& [flag, text, number] :
       {std::tuple<const char*, const std::string&, std::uint32_t&>("--context", options.context,
                                                                    run.context),
        std::tuple<const char*, const std::string&, std::uint32_t&>("--slots", options.slots,
                                                                    run.slots),
        std::tuple<const char*, const std::string&, std::uint32_t&>("--batch", options.batch,
                                                                    run.batch)}) {
    const auto count = count_of(flag, text, number);
    if (!count) return tl::unexpected<Error>(count.error());
    number = *count;
  }
  if (!options.cache_type.empty()) {
    const auto type = cache_type_named(options.cache_type);
    if (!type) {
      return fail(ErrorKind::invalid_request, "--cache-type cannot be '" + options.cache_type + "'",
                  "", "f32, f16, bf16, fp8, q8_0, q5_1, q5_0, q4_1, q4_0 or iq4_nl");
    }
    run.keys = run.values = *type;
  }
  auto shape = sense::read_model(options.file);
  if (!shape) return tl::unexpected<Error>(shape.error());
  estimate.shape = std::move(*shape);
  auto footprint = decide::estimate(estimate.shape, run);
  if (!footprint) return tl::unexpected<Error>(footprint.error());
  estimate.footprint = std::move(*footprint);
  if (!estimate.footprint.total) {
    return fail(ErrorKind::invalid_request, "what it takes cannot be told from its header",
                estimate.footprint.unknown.empty() ? "" : estimate.footprint.unknown.front(),
                "say it: --gpu-mem 12G");
  }
  return estimate;
}

object needs_of(const FileEstimate& estimate, bool gpu) {
  object needs;
  const std::int64_t total = estimate.footprint.total->p95.count();
  const std::int64_t host = estimate.footprint.host_weights.count();
  if (gpu) needs["gpu_memory_bytes"] = total;
  if (!gpu || host > 0) needs["memory_bytes"] = gpu ? host : total + host;
  return needs;
}

std::string render_estimate(const FileEstimate& estimate, std::int64_t room, const Style& style) {
  const Footprint& footprint = estimate.footprint;
  std::string text;
  const auto width = static_cast<std::size_t>(style.width);
  const auto line = [&](const char* head, const std::string& rest) {
    std::string padded = head;
    padded.resize(std::max<std::size_t>(padded.size(), 8), ' ');
    text += folded("  " + padded + rest, width, 10) + "\n";
  };
  const auto amount = [](const Interval& one) {
    if (one.p50 == one.p95) return show_bytes(one.p95.count());
    return show_bytes(one.p50.count()) + " to " + show_bytes(one.p95.count());
  };
  std::string sum;
  const auto term = [&](const char* what, const std::optional<Interval>& one) {
    if (!one || one->p95.count() == 0) return;
    sum += (sum.empty() ? "" : " + ") + std::string(what) + " " + amount(*one);
  };
  term("weights", footprint.weights);
  term("cache", footprint.cache);
  term("state", footprint.state);
  term("compute", footprint.compute);
  term("driver", footprint.driver);
  line("model",
       printable(estimate.shape.name.empty() ? estimate.shape.architecture : estimate.shape.name) +
           ", " + to_string(estimate.shape.format) + ", context " +
           std::to_string(estimate.run.context) + ", " + std::to_string(estimate.run.slots) +
           (estimate.run.slots == 1 ? " slot" : " slots") + ", cache " +
           to_string(estimate.run.keys));
  line("takes", amount(*footprint.total) + " = " + sum);
  if (footprint.host_weights.count() > 0) {
    line("beside", show_bytes(footprint.host_weights.count()) + " of weights stay in memory");
  }
  if (const auto largest = largest_context(estimate, room)) {
    line("largest", *largest == 0 ? std::string("no context of it fits now")
                                  : "context " + std::to_string(*largest) + " fits now");
  }
  for (const auto& note : footprint.notes) line("note", printable(note));
  return text;
}

object document_of(const FileEstimate& estimate, std::int64_t room) {
  const Footprint& footprint = estimate.footprint;
  const auto interval = [](const std::optional<Interval>& one) -> value {
    if (!one) return nullptr;
    return object{{"p50_bytes", one->p50.count()}, {"p95_bytes", one->p95.count()}};
  };
  object document{{"format", to_string(estimate.shape.format)},
                  {"architecture", estimate.shape.architecture},
                  {"name", estimate.shape.name},
                  {"context", estimate.run.context},
                  {"slots", estimate.run.slots},
                  {"batch", estimate.run.batch},
                  {"cache_type", to_string(estimate.run.keys)},
                  {"weights", interval(footprint.weights)},
                  {"cache", interval(footprint.cache)},
                  {"state", interval(footprint.state)},
                  {"compute", interval(footprint.compute)},
                  {"driver", interval(footprint.driver)},
                  {"total", interval(footprint.total)},
                  {"host_weights_bytes", footprint.host_weights.count()}};
  const auto largest = largest_context(estimate, room);
  document["largest_context"] = largest ? value(*largest) : value(nullptr);
  client::json::array notes;
  for (const auto& note : footprint.notes) notes.emplace_back(note);
  document["notes"] = std::move(notes);
  return document;
}

}  // namespace headroom::cli
