#include "harness/claims/csv.hpp"

#include <charconv>
#include <cmath>
#include <fstream>

#include <fmt/format.h>

namespace ashlar::claims::detail {

namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> cells;
  while (true) {
    const auto comma = line.find(',');
    cells.emplace_back(trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

const std::string* Csv::cell(const CsvRow& row, std::string_view column) const {
  for (std::size_t i = 0; i < header.size(); ++i)
    if (header[i] == column) return &row.cells[i];
  return nullptr;
}

Csv read_csv(const std::filesystem::path& path) {
  Csv csv;
  csv.path = path;
  std::ifstream file(path);
  if (!file) {
    csv.error = fmt::format("{} cannot be read", path.string());
    return csv;
  }
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const std::string_view text = trimmed(line);
    if (text.empty() || text.front() == '#') continue;
    std::vector<std::string> cells = split(text);
    if (csv.header.empty()) {
      csv.header = std::move(cells);
    } else if (cells.size() != csv.header.size()) {
      csv.error = fmt::format("{}:{}: {} cells, but the header has {}", path.string(), number,
                              cells.size(), csv.header.size());
      return csv;
    } else {
      csv.rows.push_back({number, std::move(cells)});
    }
  }
  if (csv.header.empty()) csv.error = fmt::format("{} has no header line", path.string());
  return csv;
}

std::optional<double> csv_number(std::string_view cell) {
  double number = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), number);
  if (error != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(number))
    return std::nullopt;
  return number;
}

}  // namespace ashlar::claims::detail
