// Models as documents, and what is done to make room.
#pragma once

#include <vector>

#include "serve/lease_document.hpp"
#include "words/effect.hpp"
#include "words/view.hpp"

namespace headroom::serve {

struct ModelDocument {
  const ModelView& view;
};
/// What a load of a model books.
struct ModelNeeds {
  const ModelView& view;
};
/// What it takes now.
struct ModelSize {
  const Amounts& value;
};
struct ModelsDocument {
  const View& view;
  std::vector<ModelDocument> items;
};
/// What the holder of a lease is asked.
struct AskDocument {
  const AskHook& ask;
  bool on_gpu = false;
};
struct TakenDocument {
  std::uint64_t ask = 0;
};
/// Bytes that came back.
struct FreedBytes {
  const Freed& freed;
};

inline LeftOut<Bytes> bytes_or_left_out(Bytes bytes) {
  return bytes.count() == 0 ? LeftOut<Bytes>() : LeftOut<Bytes>{bytes};
}

template <>
struct Described<ModelNeeds> {
  using D = ModelNeeds;
  static constexpr std::string_view name = "ModelNeeds";
  static constexpr auto fields = std::tuple{
      Field{"memory_bytes", "", [](const D& d) { return bytes_or_left_out(d.view.needs.memory); }},
      Field{"gpu_memory_bytes", "On one device.",
            [](const D& d) { return bytes_or_left_out(d.view.needs.gpu_memory); }},
      Field{"compute", "Least CUDA compute capability.",
            [](const D& d) { return left_out_zero(d.view.model.compute); }},
  };
};

template <>
struct Described<ModelSize> {
  static constexpr std::string_view name = "ModelSize";
  static constexpr auto fields = std::tuple{
      Field{"memory_bytes", "", [](const ModelSize& s) { return s.value.memory; }},
      Field{"gpu_memory_bytes", "", [](const ModelSize& s) { return s.value.gpu_memory; }},
  };
};

template <>
struct Described<ModelDocument> {
  using D = ModelDocument;
  static constexpr std::string_view name = "Model";
  static constexpr auto fields = std::tuple{
      Field{"name", "", [](const D& d) -> const auto& { return d.view.model.name; }},
      Field{"source",
            "Who knows of it: told, configuration, built in, learned, or the name of the hook "
            "whose engine holds it.",
            [](const D& d) -> const auto& { return d.view.source; }},
      Field{"state", "", [](const D& d) -> const auto& { return d.view.state; }},
      Field{"lease", "That holds it.", [](const D& d) { return LeaseRef{d.view.lease}; }},
      Field{"engine", "The hook whose engine holds it without a lease.",
            [](const D& d) { return MaybeText{d.view.engine}; }},
      Field{"device", "UUID of the GPU that it is on.",
            [](const D& d) { return MaybeText{d.view.gpu}; }},
      Field{"device_index", "", [](const D& d) -> const auto& { return d.view.gpu_index; }},
      Field{"needs", "What the next load of it would book.",
            [](const D& d) { return ModelNeeds{d.view}; }},
      Field{"needs_from", "Who says so, as needs_size has it; null: nobody.",
            [](const D& d) { return MaybeText{d.view.needs_from}; }},
      Field{"needs_size", "The interval whose upper end needs are; null: nobody says.",
            [](const D& d) { return maybe_size(d.view.needs_size); }},
      Field{"size", "What it takes now, measured or, by an engine, told; null: not in memory.",
            [](const D& d) {
              const bool held = d.view.lease != 0 || !d.view.engine.empty();
              return held && d.view.state != ModelState::waiting
                         ? std::optional(ModelSize{d.view.size})
                         : std::nullopt;
            }},
      Field{"priority", "", [](const D& d) { return d.view.model.priority; }},
      Field{"pinned", "Never unloaded to make room.",
            [](const D& d) { return d.view.model.pinned; }},
      Field{"hook", "Who is asked to unload it; \"holder\": its holder listens itself.",
            [](const D& d) { return MaybeText{d.view.model.hook}; }},
      Field{"load_seconds", "How long loading it took, last.",
            [](const D& d) {
              return d.view.model.load.count() > 0 ? std::optional(d.view.model.load)
                                                   : std::nullopt;
            }},
      Field{
          "batch", "Recommended.",
          [](const D& d) { return d.view.batch > 0 ? std::optional(d.view.batch) : std::nullopt; }},
      Field{"notes", "", [](const D& d) -> const auto& { return d.view.notes; }},
      Field{"uses", "Under way.", [](const D& d) -> const auto& { return d.view.uses; }},
      Field{"last_used", "null: never, or an engine does not say.",
            [](const D& d) -> const auto& { return d.view.used; }},
      Field{"resident_since", "", [](const D& d) -> const auto& { return d.view.since; }},
      Field{
          "unload_order", "Its place in the order of unloading on its device; null: it stays.",
          [](const D& d) { return d.view.order > 0 ? std::optional(d.view.order) : std::nullopt; }},
      Field{"until", "evictable, or why it stays: pinned, in use and so on.",
            [](const D& d) { return MaybeText{d.view.until}; }},
      Field{"requests", "Of it, since the daemon started.",
            [](const D& d) -> const auto& { return d.view.requests; }},
      Field{"hits", "Of these, while it was resident.",
            [](const D& d) -> const auto& { return d.view.hits; }},
  };
};

template <>
struct Described<ModelsDocument> {
  static constexpr std::string_view name = "Models";
  static constexpr auto fields = std::tuple{
      Field{"revision", "", [](const ModelsDocument& d) { return d.view.revision; }},
      Field{"at", "Of the sample that sizes are from.",
            [](const ModelsDocument& d) {
              return d.view.sample ? std::optional(d.view.sample->at.wall) : std::nullopt;
            }},
      Field{"items", "By name; one that is in memory twice is here twice.", &ModelsDocument::items},
  };
};

template <>
struct Described<FreeStep> {
  using D = FreeStep;
  static constexpr std::string_view name = "Step";
  static constexpr auto fields = std::tuple{
      Field{"do", "Always free.", [](const D&) -> std::string_view { return "free"; }},
      Field{"model", "", &D::model},
      Field{"lease", "null: an engine holds it without one.",
            [](const D& d) { return LeaseRef{d.lease}; }},
      Field{"hook", "Who is asked.", [](const D& d) { return MaybeText{d.hook}; }},
      Field{"device", "null: memory of the machine.", [](const D& d) { return MaybeText{d.gpu}; }},
      Field{"device_index", "", &D::gpu_index},
      Field{"gpu_memory_bytes", "That come back; of a skipped one: that it holds.",
            [](const D& d) { return d.gpu.empty() ? LeftOut<Bytes>() : LeftOut<Bytes>{d.bytes}; }},
      Field{"memory_bytes", "Likewise, of the machine's memory.",
            [](const D& d) { return d.gpu.empty() ? LeftOut<Bytes>{d.bytes} : LeftOut<Bytes>(); }},
      Field{"priority", "", &D::priority},
      Field{"idle_seconds", "", &D::idle},
      Field{"outcome", "", &D::outcome},
      Field{"why", "", [](const D& d) { return MaybeText{d.why}; }},
  };
};

template <>
struct Described<AskDocument> {
  using D = AskDocument;
  static constexpr std::string_view name = "Ask";
  static constexpr auto fields = std::tuple{
      Field{"ask", "Its number, for the answer.", [](const D& d) { return d.ask.ask; }},
      Field{"do", "free or load.",
            [](const D& d) -> std::string_view { return d.ask.load ? "load" : "free"; }},
      Field{"model", "", [](const D& d) -> const auto& { return d.ask.model; }},
      Field{
          "gpu_memory_bytes", "That are to come free on its device.",
          [](const D& d) { return d.on_gpu ? bytes_or_left_out(d.ask.bytes) : LeftOut<Bytes>(); }},
      Field{
          "memory_bytes", "That are to come free of the machine's memory.",
          [](const D& d) { return d.on_gpu ? LeftOut<Bytes>() : bytes_or_left_out(d.ask.bytes); }},
      Field{"reason", "", [](const D& d) -> const auto& { return d.ask.reason; }},
  };
};

template <>
struct Described<TakenDocument> {
  static constexpr std::string_view name = "Taken";
  static constexpr auto fields = std::tuple{
      Field{"ask", "The ask that was answered.", &TakenDocument::ask},
  };
};

template <>
struct Described<FreedBytes> {
  static constexpr std::string_view name = "FreedBytes";
  static constexpr auto fields = std::tuple{
      Field{"memory_bytes", "", [](const FreedBytes& f) { return f.freed.memory; }},
      Field{"gpu_memory_bytes", "Of all devices.",
            [](const FreedBytes& f) { return f.freed.gpu_memory; }},
  };
};

template <>
struct Described<Freed> {
  static constexpr std::string_view name = "Cleanup";
  static constexpr auto fields = std::tuple{
      Field{"dry_run", "Nothing was changed.", &Freed::dry_run},
      Field{"steps", "In the order of asking, then those that stay.", &Freed::steps},
      Field{"freed", "What was seen to come back; of a dry run: what would.",
            [](const Freed& f) { return FreedBytes{f}; }},
      Field{"why", "Why it is less than was asked for.",
            [](const Freed& f) { return MaybeText{f.why}; }},
  };
};

}  // namespace headroom::serve
