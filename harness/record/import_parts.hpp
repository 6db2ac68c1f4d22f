#pragma once
// What the importers share. Private to this folder.
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/file.hpp"
#include "harness/record/import.hpp"

namespace ashlar::record::detail {

/// What a name says of a case.
struct ForeignName {
  std::string experiment;
  std::string implementation;
  Point point;
};

/// Takes names apart: by the pattern, or as [BM_]experiment/axes without one. Axes are separated by
/// slashes or commas: key:value, key=value, or a value whose name comes from `arguments`, else
/// arg0, arg1, ...
class NameReader {
 public:
  /// Throws std::invalid_argument for a pattern that is no regular expression.
  explicit NameReader(const ImportOptions& options);
  /// Throws std::invalid_argument where the pattern does not match or an axis comes twice.
  ForeignName read(std::string_view name) const;

 private:
  const ImportOptions& options_;
  std::regex pattern_;
  std::vector<std::string> groups_;  // by number; empty: without a name
};

/// Collects cases and makes of them the run that declares them.
class RunBuilder {
 public:
  RunBuilder(std::filesystem::path path, const ImportOptions& options);

  /// The parsed file.
  const Json& json() const { return json_; }
  /// "file: what"
  [[noreturn]] void fail(const std::string& what) const;
  void warn(const std::string& what);

  /// The case of the name, made when it is new.
  CaseRecord& case_of(const ForeignName& name, const std::string& device);
  bool known(const ForeignName& name) const;
  RunRecord& run() { return imported_.run; }
  /// Sorts nothing and checks that there is something. `program` is what made the file.
  Imported finish(const char* program, const Json& context);

 private:
  std::string key_of(const ForeignName& name) const;
  void declare();

  std::filesystem::path path_;
  const ImportOptions& options_;
  std::string digest_;
  Json json_;
  Imported imported_;
  std::map<std::string, std::size_t> places_;  // key -> case
};

/// A number, or a text that is one; nothing for anything else.
std::optional<double> number_in(const Json& json);
/// The member of an object, or null.
const Json& member(const Json& json, const char* name);
/// The member as text, or nothing.
std::string text_in(const Json& json, const char* name);
/// Seconds as whole nanoseconds; nothing where that is negative, not finite or too long.
std::optional<std::int64_t> nanoseconds(double seconds);
/// "2026-07-04T12:15:00+02:00" in UTC as "2026-07-04T10:15:00Z"; empty for anything else.
std::string utc_of(const std::string& date);

}  // namespace ashlar::record::detail
