#pragma once
// A file line by line, through a buffer of the size of its longest line. Private to this folder.
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "harness/record/compressed.hpp"

namespace ashlar::record::detail {

class LineSource {
 public:
  /// `padding`: bytes behind each line that may be read. Throws FileError.
  LineSource(const std::filesystem::path& path, std::size_t padding);

  /// The next line without its newline, valid until the next call; nothing at the end. Throws
  /// FileError.
  std::optional<std::string_view> next();
  /// Whether the last line had no newline.
  bool unfinished() const { return unfinished_; }
  /// Throws FileError when what follows the last line is compressed data with damage.
  void check_rest() { source_.check_rest(); }

 private:
  /// Reads more behind what there is; false at the end of the file.
  bool fill();

  ByteSource source_;
  std::size_t padding_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of what is not consumed
  std::size_t end_ = 0;
  bool unfinished_ = false;
};

}  // namespace ashlar::record::detail
