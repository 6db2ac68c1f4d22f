#include "harness/claims/grid.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "harness/claims/csv.hpp"
#include "harness/claims/parse_check.hpp"

namespace ashlar::claims::detail {

namespace {

using Words = std::map<std::string, std::string>;

/// "h100-fb-{head_dim}-{causal}" against a row's id; the words in the places of the names.
std::optional<Words> match(std::string_view pattern, std::string_view text) {
  Words words;
  while (!pattern.empty()) {
    if (pattern.front() != '{') {
      if (text.empty() || text.front() != pattern.front()) return std::nullopt;
      pattern.remove_prefix(1);
      text.remove_prefix(1);
      continue;
    }
    const auto close = pattern.find('}');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string name(pattern.substr(1, close - 1));
    pattern.remove_prefix(close + 1);
    const std::string_view literal = pattern.substr(0, pattern.find('{'));
    const auto end = literal.empty() ? text.size() : text.find(literal);
    if (end == std::string_view::npos || end == 0) return std::nullopt;
    words[name] = std::string(text.substr(0, end));
    text.remove_prefix(end);
  }
  if (!text.empty()) return std::nullopt;
  return words;
}

std::string filled(std::string text, const Words& words) {
  for (const auto& [name, word] : words) {
    const std::string hole = '{' + name + '}';
    for (auto at = text.find(hole); at != std::string::npos; at = text.find(hole, at + word.size()))
      text.replace(at, hole.size(), word);
  }
  return text;
}

std::string as_id(const std::string& text) {
  std::string id;
  for (const char c : text) {
    const bool keep = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-';
    id += keep ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : '-';
  }
  return id;
}

/// One [[grid]]: the table, read once; then cells become claims.
class Grid {
 public:
  Grid(const toml::table& table, Problems& problems, const std::string& what)
      : reader_(table, problems, what), problems_(problems) {}

  void expand(std::vector<Claim>& claims) {
    const std::size_t before = problems_.lines().size();
    read_keys();
    if (problems_.lines().size() > before) return;
    csv_ = read_csv(problems_.file().parent_path() / file_);
    if (!csv_.error.empty() || csv_.header.size() < 3) {
      reader_.problem("file", csv_.error.empty()
                                  ? fmt::format("{} needs columns: row, method, values", file_)
                                  : csv_.error);
      return;
    }
    refuse_unknown_methods();
    std::size_t rows = 0;
    for (const CsvRow& row : csv_.rows) {
      const auto words = match(row_, row.cells[0]);
      if (!words) continue;
      ++rows;
      if (!methods_.empty() && !wanted(row.cells[1])) continue;
      if (row.cells[1] == against_) continue;
      for (std::size_t column = 2; column < row.cells.size(); ++column)
        add_cell(row, column, *words, claims);
    }
    if (rows == 0)
      reader_.problem("row", fmt::format("no row of {} has the shape '{}'", file_, row_));
  }

 private:
  void read_keys() {
    reader_.allow_only({"id", "says", "source", "unit", "scale", "file", "row", "methods", "cells",
                        "columns", "setting", "reach", "because", "on", "required", "needs",
                        "changed", "values", "check"});
    parse_common(reader_, shared_);
    shared_.place = reader_.place();
    shared_.source = reader_.text("source", Need::required).value_or("");
    id_ = reader_.text("id", Need::required).value_or("");
    file_ = reader_.text("file", Need::required).value_or("");
    row_ = reader_.text("row", Need::required).value_or("");
    columns_ = reader_.name("columns", Need::required).value_or(Name{});
    says_ = reader_.text("says").value_or("");
    unit_ = reader_.text("unit").value_or("");
    scale_ = reader_.number("scale").value_or(1);
    methods_ = reader_.names("methods");
    cells_ = reader_
                 .word<Cells>("cells", {{"numbers", Cells::numbers},
                                        {"out-of-memory", Cells::out_of_memory}})
                 .value_or(Cells::all);
    if (row_.find("{on}") != std::string::npos && reader_.has("on"))
      reader_.problem("on", "'on' stands in 'row' too; name it once");
    read_check();
  }

  void read_check() {
    const bool out = shared_.reach == Reach::out_of_reach;
    const toml::table* table = reader_.child("check");
    if (out && table != nullptr)
      reader_.problem("check", "an out-of-reach grid is never checked; remove [grid.check]");
    if (!out && table == nullptr && shared_.needs.empty() && !reader_.has("check"))
      problems_.add(reader_.place(),
                    fmt::format("{}: [grid.check] is missing; write one, or say what it needs "
                                "(needs = \"...\")",
                                reader_.what()));
    if (out || table == nullptr) return;
    const Reader check(*table, problems_, reader_.what() + ": check");
    check.allow_only(
        {"form", "experiment", "metric", "where", "against", "expect", "direction", "better"});
    Check made;
    made.place = check.place();
    made.form =
        check.word<Form>("form", {{"within", Form::within}, {"ratio", Form::ratio}}, Need::required)
            .value_or(Form::within);
    const bool in_row = row_.find("{experiment}") != std::string::npos;
    made.experiment =
        check.name("experiment", in_row ? Need::optional : Need::required).value_or(Name{});
    if (in_row && check.has("experiment"))
      check.problem("experiment", "'experiment' stands in 'row' too; name it once");
    made.metric = check.name("metric", Need::required).value_or(Name{});
    made.where = parse_where(check);
    made.expect = check.range("expect");
    made.direction = check.range("direction");
    made.better =
        check.word<Better>("better", {{"lower", Better::lower}, {"higher", Better::higher}});
    if (!check.has("expect") && !check.has("direction"))
      problems_.add(made.place, fmt::format("{}: 'expect' or 'direction' is needed", check.what()));
    against_ = check.text("against", made.form == Form::ratio ? Need::required : Need::optional)
                   .value_or("");
    if (made.form == Form::within && check.has("against"))
      check.problem("against", "'against' goes with form = \"ratio\"");
    check_ = std::move(made);
  }

  bool wanted(const std::string& method) const {
    return std::any_of(methods_.begin(), methods_.end(),
                       [&](const Name& name) { return name.text == method; });
  }

  void refuse_unknown_methods() {
    std::vector<std::string> known;
    for (const CsvRow& row : csv_.rows)
      if (std::find(known.begin(), known.end(), row.cells[1]) == known.end())
        known.push_back(row.cells[1]);
    const auto is_known = [&](const std::string& name) {
      return std::find(known.begin(), known.end(), name) != known.end();
    };
    for (const Name& method : methods_)
      if (!is_known(method.text))
        problems_.add(method.place,
                      fmt::format("{}: no method '{}' in {}{}", reader_.what(), method.text, file_,
                                  model::suggestion(method.text, known)));
    if (!against_.empty() && !is_known(against_))
      reader_.problem("check", fmt::format("no method '{}' in {}{}", against_, file_,
                                           model::suggestion(against_, known)));
  }

  /// What a word of the CSV means: by [grid.values], else itself.
  Value meaning(const std::string& name, const std::string& word) const {
    if (const toml::table* values = reader_.table()["values"].as_table())
      if (const toml::table* table = (*values)[name].as_table())
        if (const toml::node* node = table->get(word))
          if (const auto value = value_of(*node)) return *value;
    return Value::parse(word);
  }

  const std::string* reported_of(const CsvRow& like, std::string_view method,
                                 std::size_t column) const {
    for (const CsvRow& row : csv_.rows)
      if (row.cells[0] == like.cells[0] && row.cells[1] == method) return &row.cells[column];
    return nullptr;
  }

  void cell_problem(const CsvRow& row, const std::string& text) {
    problems_.add_line(located(csv_.path, {row.line, 1}, text));
  }

  void add_cell(const CsvRow& row, std::size_t column, const Words& words,
                std::vector<Claim>& claims) {
    const std::string& cell = row.cells[column];
    if (cell == "?") return;
    const bool no_memory = cell == "-";
    if (cells_ == (no_memory ? Cells::numbers : Cells::out_of_memory)) return;
    const auto reported = csv_number(cell);
    if (!no_memory && !reported) {
      cell_problem(
          row, fmt::format("'{}' must be a number, '-' (out of memory) or '?' (unknown)", cell));
      return;
    }
    Claim claim = shared_;
    const std::string& method = row.cells[1];
    const std::string& header = csv_.header[column];
    claim.id = as_id(fmt::format("{}-{}-{}-{}", id_, row.cells[0], method, header));
    claim.reported = no_memory ? "out of memory" : unit_.empty() ? cell : cell + ' ' + unit_;
    if (reported) claim.reported_value = Range{*reported, *reported};
    Words holes = words;
    holes.insert({{"row", row.cells[0]},
                  {"method", method},
                  {"column", header},
                  {"value", no_memory ? "out of memory" : cell},
                  {"unit", unit_}});
    claim.says = filled(
        says_.empty() ? "{method} in {row} at " + columns_.text + " = {column}: " + claim.reported
                      : says_,
        holes);
    if (words.contains("on")) claim.on = {meaning("on", words.at("on")).text()};
    if (check_) {
      double against = 1;
      if (!against_.empty() && !read_against(row, column, no_memory, against)) return;
      claim.check = no_memory ? out_of_memory_check(row, header, words)
                              : value_check(row, header, words, *reported, against);
    }
    claims.push_back(std::move(claim));
  }

  /// The value of the method `against` in the same place; false when the cell gives no claim.
  bool read_against(const CsvRow& row, std::size_t column, bool no_memory, double& value) {
    const std::string* other = reported_of(row, against_, column);
    if (other == nullptr || *other == "?") return false;
    if (no_memory) return true;
    const auto number = csv_number(*other);
    if (number && *number != 0) value = *number;
    return number && *number != 0;
  }

  Side side_of(const CsvRow& row, const std::string& header, const Words& words) const {
    Side side;
    side.implementation = {meaning("method", row.cells[1]).text(), reader_.place("values")};
    for (const auto& [name, word] : words)
      if (name != "experiment" && name != "on")
        side.axes.emplace_back(Name{name, reader_.place("row")}, meaning(name, word));
    side.axes.emplace_back(columns_, meaning(columns_.text, header));
    return side;
  }

  Check base_check(const CsvRow& row, const std::string& header, const Words& words) const {
    Check check = *check_;
    if (words.contains("experiment"))
      check.experiment = {meaning("experiment", words.at("experiment")).text(),
                          reader_.place("row")};
    check.of = side_of(row, header, words);
    return check;
  }

  Check value_check(const CsvRow& row, const std::string& header, const Words& words,
                    double reported, double against) const {
    Check check = base_check(row, header, words);
    if (check.form == Form::within) {
      check.per = reported * scale_;
      return check;
    }
    CsvRow other = row;
    other.cells[1] = against_;
    check.to = side_of(other, header, words);
    check.per = reported / against;
    return check;
  }

  Check out_of_memory_check(const CsvRow& row, const std::string& header,
                            const Words& words) const {
    Check check = base_check(row, header, words);
    check.form = Form::holds;
    check.metric = {};
    check.statuses = {record::Status::out_of_memory};
    check.expect.reset();
    check.direction.reset();
    return check;
  }

  enum class Cells { all, numbers, out_of_memory };

  Reader reader_;
  Problems& problems_;
  Claim shared_;
  std::optional<Check> check_;
  Csv csv_;
  std::string id_, file_, row_, says_, unit_, against_;
  Name columns_;
  double scale_ = 1;
  std::vector<Name> methods_;
  Cells cells_ = Cells::all;
};

}  // namespace

void expand_grid(const toml::table& table, Problems& problems, std::size_t number,
                 std::vector<Claim>& claims) {
  const auto* id = table.get_as<std::string>("id");
  const std::string what =
      id != nullptr ? fmt::format("grid '{}'", id->get()) : fmt::format("grid {}", number);
  Grid(table, problems, what).expand(claims);
}

}  // namespace ashlar::claims::detail
