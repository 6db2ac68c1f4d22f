#pragma once
// Case records at the speed of simdjson. Private to this folder.
//
// from_json defines what a record is; this reads the lines that Writer writes, several times
// faster, and leaves every other line to it: other kinds, fields in another order, fields that it
// does not know, and all that is wrong. Both give equal records (file_test.cpp holds them side by
// side).
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "harness/record/record.hpp"

namespace ashlar::record::detail {

class FastCaseReader {
 public:
  FastCaseReader();
  ~FastCaseReader();
  FastCaseReader(const FastCaseReader&) = delete;
  FastCaseReader& operator=(const FastCaseReader&) = delete;

  /// Bytes behind a line that must be readable, whatever they hold.
  static constexpr std::size_t kPadding = 64;

  /// The record in the line, or nothing where from_json has to decide. Texts, points and works are
  /// shared with the records before.
  std::optional<CaseRecord> read(std::string_view line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ashlar::record::detail
