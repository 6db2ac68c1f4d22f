#pragma once
// One copy of what many records say. Private to this folder.
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "harness/record/fields.hpp"

namespace ashlar::record::detail {

/// Gives equal letters the same Text.
class Interner {
 public:
  Text operator()(std::string_view letters) {
    const auto it = known_.find(letters);
    if (it != known_.end()) return it->second;
    Text text(letters);
    known_.emplace(std::string_view(text.str()), text);
    return text;
  }

 private:
  std::unordered_map<std::string_view, Text> known_;  // the keys look into the values
};

/// An archive that makes a record share its texts and its point with those before it.
class Sharer {
 public:
  template <class T>
  void operator()(const char*, T& value) {
    if constexpr (std::is_same_v<T, Text>) {
      value = texts_(value.str());
    } else if constexpr (std::is_same_v<T, Point>) {
      // The types of the values count too: 1 and 1.0 are equal, but not the same line.
      value = points_.emplace(value.to_json().dump(), value).first->second;
    }
  }
  void share(CaseRecord& record) { case_fields(*this, record); }
  void share(StudyRecord& record) { study_fields(*this, record); }
  void share(CheckRecord& record) { check_fields(*this, record); }
  template <class R>
  void share(R&) {}  // few

 private:
  Interner texts_;
  std::unordered_map<std::string, Point> points_;
};

}  // namespace ashlar::record::detail
