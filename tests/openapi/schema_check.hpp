// Holds answers against the OpenAPI document: a small checker of JSON schemas, for tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

namespace headroom::openapi {

/// What a daemon promises, and whether an answer keeps it. Knows the words of JSON schema that the
/// document uses: type (one or several), properties, required, additionalProperties, items,
/// prefixItems, enum, const, oneOf, $ref, pattern, minimum, maximum and the bounds of sizes. A word
/// that it does not know is a mistake, so that none is passed over in silence.
class Contract {
 public:
  explicit Contract(boost::json::value openapi) : openapi_(std::move(openapi)) {}

  /// What is wrong with an answer, each with where it is; empty when nothing is. `target` may have
  /// a query. An answer to a path or method that the document does not have is to be a problem.
  std::vector<std::string> mistakes(std::string_view method, std::string_view target, int status,
                                    std::string_view content_type, std::string_view body) const;

  /// What is wrong with a value by a schema of the components.
  std::vector<std::string> mistakes(const boost::json::value& value, std::string_view schema) const;

 private:
  const boost::json::object* find_operation(std::string_view method, std::string_view path) const;
  void check(const boost::json::value& value, const boost::json::object& schema,
             const std::string& where, std::vector<std::string>& out) const;

  boost::json::value openapi_;
};

}  // namespace headroom::openapi
