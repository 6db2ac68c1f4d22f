// The reader of LIBSVM's format on arbitrary bytes: it reads them or says what is wrong; what it
// has read is the same when it is written and read again, and makes a problem or says why not.
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "impls/bcd/libsvm.hpp"

namespace {

using namespace ashlar::bcd;

std::string written(const LabelledRows& rows) {
  std::string text;
  for (Index row = 0; row < rows.rows.lines(); ++row) {
    text += fmt::format("{}", rows.labels[row]);
    for (std::int64_t entry = rows.rows.starts[row]; entry < rows.rows.starts[row + 1]; ++entry) {
      text += fmt::format(" {}:{}", rows.rows.indices[entry] + 1, rows.rows.values[entry]);
    }
    text += '\n';
  }
  return text;
}

void require(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "{}\n", what);
  std::abort();
}

void make_all(const LabelledRows& rows) {
  if (rows.columns > 100000) return;  // legal, but takes memory
  for (const Loss loss : {Loss::least_squares, Loss::logistic, Loss::softmax}) {
    for (const bool drop_empty : {false, true}) {
      try {
        LibsvmOptions options;
        options.drop_empty = drop_empty;
        const LibsvmProblem made = make_problem(rows, "fuzz", loss, options);
        require(made.problem.features->by_row.entries() == rows.rows.entries(), "entries are lost");
      } catch (const std::invalid_argument&) {
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  LabelledRows rows;
  try {
    rows = parse_libsvm({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const std::invalid_argument&) {
    return 0;
  }
  const LabelledRows again = parse_libsvm(written(rows), "again");
  require(again.labels == rows.labels && again.rows.starts == rows.rows.starts &&
              again.rows.indices == rows.rows.indices && again.rows.values == rows.rows.values,
          "what was read is not what is read again");
  make_all(rows);
  return 0;
}
