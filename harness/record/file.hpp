#pragma once
// Record files: reading and appending.
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/record/record.hpp"

namespace ashlar::record {

/// Appends lines, each written whole by one call, so that a kill loses at most the line in flight.
class Writer {
 public:
  enum class Mode {
    create,  // a new file (and its folder); one that exists is refused
    append  // go on with an existing file, after cutting off a torn last line; not a compressed one
  };
  /// Throws std::system_error. There is one writer per file at a time: while another one lives,
  /// EBUSY.
  explicit Writer(const std::filesystem::path& path, Mode mode = Mode::create);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Lines that belong together may be synced with the last of them: a power cut then takes at most
  /// those.
  enum class Sync { now, with_next };
  /// Throws std::system_error when the line could not be written or synced (disk full): the lines
  /// before stay whole.
  void append(const Record& record, Sync sync = Sync::now);
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::int64_t whole_bytes_ = 0;   // written
  std::int64_t synced_bytes_ = 0;  // and on the disk
};

/// A record file that cannot be read: the message names file and line.
class FileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Whether gzip compressed the file, whatever its name; false where there is none. Compressed
/// record files are read as others are, and never written: a kill would cost more than the last
/// line.
bool is_compressed(const std::filesystem::path& path);

/// Streams the records of a file, each in constant memory; those that say the same share their
/// texts and points. A torn last line (no newline, not JSON) is skipped and reported through the
/// return value; any other bad line throws FileError with its number.
struct ReadSummary {
  std::size_t records = 0;
  bool torn_last_line = false;
};
ReadSummary read_file(const std::filesystem::path& path, const std::function<void(Record&&)>& sink);

/// All records of several files, sorted into kinds; what claims, tables and figures work on. A line
/// that says again what an earlier one said wins over it, since a resumed run repeats the point and
/// round that was in flight: the last `run` of a run id, the last `case` of (run, case, round), the
/// last `study` of (run, case, seed). Of equal checks and events one is kept.
struct RecordSet {
  std::vector<RunRecord> runs;
  std::deque<CaseRecord> cases;  // a million must not move to grow
  std::vector<CheckRecord> checks;
  std::vector<StudyRecord> studies;
  std::vector<EventRecord> events;
  std::vector<std::string> warnings;  // torn lines, files without a run record
};
RecordSet load(const std::vector<std::filesystem::path>& paths);

}  // namespace ashlar::record
