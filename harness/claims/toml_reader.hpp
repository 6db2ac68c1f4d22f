#pragma once
// Reading TOML tables with good messages: every problem is noted with its place, and reading goes
// on. Private to this folder.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <toml++/toml.h>

#include "harness/claims/claim.hpp"
#include "harness/claims/names.hpp"

namespace ashlar::claims::detail {

/// The problems found so far in one claim file.
class Problems {
 public:
  explicit Problems(std::filesystem::path file) : file_(std::move(file)) {}
  void add(Place place, std::string_view text) { lines_.push_back(located(file_, place, text)); }
  /// For a problem in another file.
  void add_line(std::string line) { lines_.push_back(std::move(line)); }
  const std::filesystem::path& file() const { return file_; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::filesystem::path file_;
  std::vector<std::string> lines_;
};

Place place_of(const toml::node& node);
Place place_of(const toml::key& key);
/// An axis value; nothing for arrays, tables, dates.
std::optional<Value> value_of(const toml::node& node);

enum class Need { optional, required };

/// One table. Each getter notes a problem when the key is missing but required, or of another type.
class Reader {
 public:
  /// `what` names the table in messages: "claim 'fa2-exact'".
  Reader(const toml::table& table, Problems& problems, std::string what)
      : table_(table), problems_(problems), what_(std::move(what)) {}

  bool has(std::string_view key) const { return table_.contains(key); }
  const toml::table& table() const { return table_; }
  Problems& problems() const { return problems_; }
  const std::string& what() const { return what_; }
  /// Of the value, else of the table.
  Place place(std::string_view key) const;
  Place place() const { return place_of(table_); }
  void problem(std::string_view key, std::string_view text) const;

  const toml::node* node(std::string_view key, Need need = Need::optional) const;
  std::optional<std::string> text(std::string_view key, Need need = Need::optional) const;
  std::optional<Name> name(std::string_view key, Need need = Need::optional) const;
  std::optional<double> number(std::string_view key, Need need = Need::optional) const;
  std::optional<bool> flag(std::string_view key) const;
  /// [low, high] with low <= high.
  std::optional<Range> range(std::string_view key, Need need = Need::optional) const;
  const toml::table* child(std::string_view key, Need need = Need::optional) const;
  /// A text or a list of texts.
  std::vector<Name> names(std::string_view key, Need need = Need::optional) const;
  /// One of a fixed set of words.
  template <class Enum>
  std::optional<Enum> word(std::string_view key,
                           const std::vector<std::pair<std::string, Enum>>& known,
                           Need need = Need::optional) const {
    const auto written = text(key, need);
    if (!written) return std::nullopt;
    std::vector<std::string> names;
    for (const auto& [name, value] : known) {
      if (name == *written) return value;
      names.push_back(name);
    }
    unknown_word(key, *written, names);
    return std::nullopt;
  }
  /// Notes every key that is not in the list.
  void allow_only(const std::vector<std::string>& keys) const;

 private:
  void unknown_word(std::string_view key, const std::string& written,
                    const std::vector<std::string>& names) const;
  void wrong_type(std::string_view key, std::string_view wanted) const;

  const toml::table& table_;
  Problems& problems_;
  std::string what_;
};

std::optional<double> number_of(const toml::node& node);

}  // namespace ashlar::claims::detail
