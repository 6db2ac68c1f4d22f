#include "impls/bcd/matrix.hpp"

#include <cstddef>
#include <utility>

namespace ashlar::bcd {

SparseLines transposed(const SparseLines& lines, Index others) {
  SparseLines turned;
  turned.starts.assign(static_cast<std::size_t>(others) + 1, 0);
  for (const Index other : lines.indices) ++turned.starts[static_cast<std::size_t>(other) + 1];
  for (Index other = 0; other < others; ++other) turned.starts[other + 1] += turned.starts[other];
  turned.indices.resize(lines.indices.size());
  turned.values.resize(lines.values.size());
  std::vector<std::int64_t> next(turned.starts.begin(), turned.starts.end() - 1);
  for (Index line = 0; line < lines.lines(); ++line) {
    for (std::int64_t entry = lines.starts[line]; entry < lines.starts[line + 1]; ++entry) {
      const std::int64_t place = next[lines.indices[entry]]++;
      turned.indices[place] = line;
      turned.values[place] = lines.values[entry];
    }
  }
  return turned;
}

FeatureMatrix features_from_dense(Index rows, Index columns, std::span<const double> row_major) {
  SparseLines by_row;
  by_row.starts.push_back(0);
  std::size_t element = 0;
  for (Index row = 0; row < rows; ++row) {
    for (Index column = 0; column < columns; ++column, ++element) {
      if (row_major[element] == 0) continue;
      by_row.indices.push_back(column);
      by_row.values.push_back(row_major[element]);
    }
    by_row.starts.push_back(static_cast<std::int64_t>(by_row.indices.size()));
  }
  return features_from_rows(columns, std::move(by_row));
}

FeatureMatrix features_from_rows(Index columns, SparseLines by_row) {
  FeatureMatrix features;
  features.rows = by_row.lines();
  features.columns = columns;
  features.by_column = transposed(by_row, columns);
  features.by_row = std::move(by_row);
  return features;
}

}  // namespace ashlar::bcd
