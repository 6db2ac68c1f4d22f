#pragma once
// The bytes of a file, unpacked where gzip compressed it. Private to this folder.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

namespace ashlar::record::detail {

/// Goes by the first bytes, not by the name: files are renamed, and pipes have none.
class ByteSource {
 public:
  /// Throws FileError.
  explicit ByteSource(const std::filesystem::path& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// At most `size` bytes (at least one); 0 at the end only. Throws FileError, also where
  /// compressed data are cut off or damaged.
  std::size_t read(char* to, std::size_t size);
  /// Throws FileError when the compressed data have damage that is yet to be read.
  void check_rest();

 private:
  struct Inflater;

  std::size_t read_file(void* to, std::size_t size);
  std::size_t inflate(char* to, std::size_t size);
  /// Brings compressed bytes; false at the end of the file.
  bool refill();

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::vector<unsigned char> input_;    // what was read from the file and not used yet,
  std::size_t begin_ = 0;               // from here, in a file that is not compressed
  std::unique_ptr<Inflater> inflater_;  // in one that is
};

}  // namespace ashlar::record::detail
