#include "serve/openapi.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "serve/body.hpp"
#include "serve/devices.hpp"
#include "serve/documents.hpp"
#include "serve/export.hpp"
#include "serve/operation.hpp"
#include "serve/processes.hpp"
#include "serve/schema.hpp"
#include "serve/specs.hpp"

namespace headroom::serve {
namespace {

using Kind = Parameter::Kind;

constexpr std::string_view kProblem = "application/problem+json";

void write_words(Json& json, std::string_view words) {
  json.list("enum");
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find('|'));
    words.remove_prefix(std::min(words.size(), word.size() + 1));
    json.text(word);
  }
  json.end_list();
}

void write_parameter_schema(Json& json, const Parameter& p) {
  json.open("schema");
  switch (p.kind) {
    case Kind::text:
    case Kind::time:
      json.text("type", "string");
      break;
    case Kind::whole:
      json.text("type", "integer").number("minimum", p.least).number("maximum", p.most);
      if (!p.usual.empty()) json.key("default").raw(p.usual);
      break;
    case Kind::seconds:
      json.text("type", "string").text("pattern", R"(^[0-9]+(\.[0-9]+)?(ms|s|m|min|h|d)?$)");
      break;
    case Kind::word:
      json.text("type", "string");
      write_words(json, p.words);
      break;
    case Kind::words:
      json.text("type", "array").open("items").text("type", "string");
      write_words(json, p.words);
      json.close();
      break;
    case Kind::flag:
      json.text("type", "string");
      write_words(json, "1|0|true|false");
      break;
  }
  if (!p.usual.empty() && p.kind != Kind::whole && p.kind != Kind::words) {
    json.text("default", p.usual);
  }
  json.close();
}

void write_parameter(Json& json, const Parameter& p) {
  std::string about(p.about);
  if (p.kind == Kind::seconds) {
    about += " From " + std::to_string(p.least) + " to " + std::to_string(p.most) +
             " seconds; 90s, 10m, 1h and 30d are understood.";
  }
  json.open().text("name", p.name).text("in", "query").boolean("required", p.required);
  if (!about.empty()) json.text("description", about);
  if (p.kind == Kind::words) json.text("style", "form").boolean("explode", false);
  write_parameter_schema(json, p);
  json.close();
}

// "A|B" is one of these.
void write_schema(Json& json, std::string_view names) {
  json.open("schema");
  const auto ref = [&](std::string_view name) {
    json.text("$ref", std::string("#/components/schemas/").append(name));
  };
  if (names.empty()) {
    json.text("type", "string");
  } else if (names.find('|') == std::string_view::npos) {
    ref(names);
  } else {
    json.list("oneOf");
    while (!names.empty()) {
      const std::string_view name = names.substr(0, names.find('|'));
      names.remove_prefix(std::min(names.size(), name.size() + 1));
      json.open();
      ref(name);
      json.close();
    }
    json.end_list();
  }
  json.close();
}

void write_answers(Json& json, const Operation& operation) {
  json.open("responses");
  // One status may come in several types.
  std::map<int, std::vector<const AnswerShape*>> by_status;
  for (const AnswerShape& answer : operation.answers) {
    if (answer.status != 0) by_status[answer.status].push_back(&answer);
  }
  for (const auto& [status, shapes] : by_status) {
    const std::string_view about = shapes.front()->about;
    json.open(std::to_string(status)).text("description", about.empty() ? "Done." : about);
    if (!shapes.front()->type.empty()) {
      json.open("content");
      for (const AnswerShape* shape : shapes) {
        json.open(shape->type.substr(0, shape->type.find(';')));
        write_schema(json, shape->schema);
        json.close();
      }
      json.close();
    }
    json.close();
  }
  json.open("default").text("description", "It did not work, and why.").open("content");
  json.open(kProblem);
  write_schema(json, "Problem");
  json.close().close().close().close();
}

void write_operation(Json& json, const Operation& operation) {
  std::string method(method_word(operation.method));
  for (char& c : method) c = static_cast<char>(c | 0x20);  // letters only
  json.open(method)
      .text("operationId", operation.id)
      .text("summary", operation.summary)
      .list("tags")
      .text(operation.noun)
      .end_list();
  std::string about(operation.about);
  if (operation.who == Who::trusted) {
    about += about.empty() ? "" : " ";
    about += "For root and the group headroom.";
  }
  if (!about.empty()) json.text("description", about);
  if (operation.path.variable || !operation.parameters.empty()) {
    json.list("parameters");
    if (operation.path.variable) {
      json.open().text("name", operation.path.name()).text("in", "path").boolean("required", true);
      json.text("description", operation.item).open("schema").text("type", "string").close();
      if (operation.slashes) json.boolean("x-slashes", true);
      json.close();
    }
    for (const Parameter& p : operation.parameters) write_parameter(json, p);
    json.end_list();
  }
  if (!operation.body_type.empty()) {
    json.open("requestBody").boolean("required", true).open("content").open(operation.body_type);
    write_schema(json, operation.body);
    json.close().close().close();
  }
  if (operation.who != Who::open) {
    // Nothing is needed on the machine itself.
    json.list("security").open().close().open().list("token").end_list().close().end_list();
  }
  write_answers(json, operation);
  json.close();
}

}  // namespace

void describe_all(Schemas& all) {
  describe_documents(all);
  describe_processes(all);
  describe_devices(all);
  describe_specs(all);
  describe_bodies(all);
  describe_export(all);
  all.set("OpenApi", R"({"type":"object","required":["openapi","paths"]})");
}

std::string openapi_document(std::string_view version) {
  std::string out;
  out.reserve(100'000);
  Json json(out);
  json.open().text("openapi", "3.1.0");
  json.open("info")
      .text("title", "headroom")
      .text("version", version)
      .text("summary", "What this machine has, who uses it, and what still fits.")
      .text(
          "description",
          "Bytes, seconds, RFC 3339 UTC. What is not known is null, never a made-up zero. Unknown "
          "fields and parameters are refused by name. Every failure is problem+json; its type "
          "leads to a page that says more.")
      .open("license")
      .text("name", "MIT")
      .text("identifier", "MIT")
      .close()
      .close();
  json.list("servers").open().text("url", "/").close().end_list();
  std::vector<std::string_view> nouns;
  std::vector<std::string_view> paths;
  const auto add = [](std::vector<std::string_view>& to, std::string_view one) {
    if (std::find(to.begin(), to.end(), one) == to.end()) to.push_back(one);
  };
  for (const Operation& operation : operations()) {
    add(nouns, operation.noun);
    add(paths, operation.path.text);
  }
  json.list("tags");
  for (const std::string_view noun : nouns) json.open().text("name", noun).close();
  json.end_list().open("paths");
  for (const std::string_view path : paths) {
    json.open(path);
    for (const Operation& operation : operations()) {
      if (operation.path.text == path) write_operation(json, operation);
    }
    json.close();
  }
  json.close().open("components").open("schemas");
  Schemas schemas;
  describe_all(schemas);
  for (const auto& [name, text] : schemas.all()) json.raw(name, text);
  json.close().open("securitySchemes").open("token");
  json.text("type", "http").text("scheme", "bearer");
  json.text("description",
            "For callers from other machines: the word in the file that http.token_file names.");
  json.close().close().close().close();
  return out;
}

}  // namespace headroom::serve
