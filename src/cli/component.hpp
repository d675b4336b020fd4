// `headroom component`: registered workloads, what each has been given, and why.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/options.hpp"
#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The answer to GET /components as a table. Pure.
std::string render_components(const client::json::value& components, const Style& style);

/// One component: its resources, setters and quota, what is wrong with it in plain words, and
/// `decisions` (the answer to GET …/allocations; an empty value where none was read). Pure.
std::string render_component(const client::json::value& component,
                             const client::json::value& decisions, const Style& style);

/// The answer to GET …/allocations, oldest first, so that the newest stands last. Pure.
std::string render_decisions(const client::json::value& decisions, const Style& style);

/// What a quota says, as in "priority high, buffer 40 %, held to it by the kernel"; one line for
/// each of its windows follows. Pure.
std::string quota_lines(const client::json::value& quota, const Style& style);

/// The path of a component in the interface.
std::string component_target(std::string_view name);

/// A resource of a component or quota by its name; nullptr where it has none.
const client::json::value* resource_of(const client::json::value& document, std::string_view name);

/// Prints the newest `limit` decisions of one component, or of all where `name` is empty; the exit
/// code.
int show_decisions(const Common& common, const std::string& name, std::int64_t limit);

/// A count as typed: from 1 to 10000. Fails with the flag at fault.
Result<std::int64_t> count_of(const std::string& flag, const std::string& text);

}  // namespace headroom::cli
