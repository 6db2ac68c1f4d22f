#pragma once
// Joining the record files of the shards of one plan.
#include <filesystem>
#include <string>
#include <vector>

#include "harness/record/file.hpp"

namespace ashlar::record {

struct Merged {
  std::size_t lines = 0;
  std::size_t runs = 0;               // left in the result
  std::vector<std::string> warnings;  // shards that are missing or not finished, torn lines
};

/// Writes all records of `inputs` to `output`, which must not exist yet; it is there whole or not
/// at all. Shards of one machine (machine id, host and number of threads) become one run: the first
/// one's, in which each other shard's run record is kept as an event `merged`. Shards of other
/// machines keep their own run, since absolute times stand beside the machine that made them. A
/// point is whole within a shard, so no ratio within a point crosses runs.
///
/// Throws FileError with one line when the files are not parts of one plan (another plan, binary,
/// mode or seed), when a shard is there twice or a point is in two shards; std::system_error when
/// the output cannot be written.
Merged merge(const std::vector<std::filesystem::path>& inputs, const std::filesystem::path& output);

}  // namespace ashlar::record
