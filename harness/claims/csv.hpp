#pragma once
// The CSV files beside a claim file: reported values. Private to this folder.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::claims::detail {

struct CsvRow {
  std::size_t line = 0;
  std::vector<std::string> cells;
};

/// A header line, then rows; cells are trimmed and hold no quotes. Empty lines and lines that start
/// with # are skipped. On failure `error` says why and where.
struct Csv {
  std::filesystem::path path;
  std::vector<std::string> header;
  std::vector<CsvRow> rows;
  std::string error;

  /// nullptr when there is no such column.
  const std::string* cell(const CsvRow& row, std::string_view column) const;
};

Csv read_csv(const std::filesystem::path& path);
/// The whole cell as a finite number.
std::optional<double> csv_number(std::string_view cell);

}  // namespace ashlar::claims::detail
