// Session folders as documents.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "serve/schema.hpp"
#include "serve/user_names.hpp"
#include "words/session.hpp"

namespace headroom::serve {

struct SessionDocument {
  const SessionView& view;
  UserNames& names;
};
struct SessionsDocument {
  const Sessions& sessions;
  std::vector<SessionDocument> items;
};

template <>
struct Described<SessionDocument> {
  using D = SessionDocument;
  static constexpr std::string_view name = "Session";
  static constexpr auto fields = std::tuple{
      Field{"name", "Of the folder.", [](const D& d) -> const auto& { return d.view.folder.name; }},
      Field{"root", "The folder that it lies in.",
            [](const D& d) -> const auto& { return d.view.folder.root; }},
      Field{"owner", "",
            [](const D& d) -> const auto& { return d.names.name(d.view.folder.owner); }},
      Field{"uid", "", [](const D& d) { return d.view.folder.owner; }},
      Field{"changed", "The newest modification of it and of anything in it.",
            [](const D& d) { return d.view.folder.changed; }},
      Field{"bytes", "On disk.", [](const D& d) { return d.view.folder.bytes; }},
      Field{"entries", "In it, at any depth.", [](const D& d) { return d.view.folder.entries; }},
      Field{"state",
            "idle: it may go; live: in use or changed lately; spared: it may not go for another "
            "reason; going: it goes, or would; gone; left: it was to go and is not, or not all of "
            "it.",
            [](const D& d) { return d.view.state; }},
      Field{"why", "", [](const D& d) { return MaybeText{d.view.why}; }},
  };
};

template <>
struct Described<SessionsDocument> {
  using D = SessionsDocument;
  static constexpr std::string_view name = "Sessions";
  static constexpr auto fields = std::tuple{
      Field{"dry_run", "Nothing was changed.", [](const D& d) { return d.sessions.dry_run; }},
      Field{"freed_bytes", "What those that are gone had on disk; before that, what would go.",
            [](const D& d) { return d.sessions.freed; }},
      Field{"items", "Those that go first, the oldest change first.", &D::items},
      Field{"problems", "Roots that cannot be looked at, and what was left behind.",
            [](const D& d) -> const auto& { return d.sessions.problems; }},
      Field{"next", "Always null: lists are whole.",
            [](const D&) { return std::optional<std::string>(); }},
  };
};

}  // namespace headroom::serve
