// Lists as documents: {"items": […], "next": null}.
#pragma once

#include <string>
#include <vector>

#include "serve/schema.hpp"

namespace headroom::serve {

/// Items that are made when the list is.
template <class T>
struct ListOf {
  std::vector<T> items;
};

/// The fields of every list.
template <class T>
inline constexpr auto kListFields = std::tuple{
    Field{"items", "", &ListOf<T>::items},
    Field{"next", "Always null: lists are whole.",
          [](const ListOf<T>&) { return std::optional<std::string>(); }},
};

}  // namespace headroom::serve
