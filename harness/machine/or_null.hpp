#pragma once
// Private to this folder.
#include <optional>

#include <nlohmann/json.hpp>

namespace ashlar::machine {

/// What is unknown is null.
template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace ashlar::machine
