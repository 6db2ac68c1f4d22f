#include "harness/record/file.hpp"

#include <cerrno>
#include <fstream>
#include <map>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace ashlar::record {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

/// Broken UTF-8 (a crashed program's last words) must not cost the line.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// A new name survives a power cut only when its folder is synced too.
void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

/// The length of the part that ends with the last newline.
std::int64_t whole_lines(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(0, std::ios::end);
  std::int64_t end = file.tellg();
  std::string chunk;
  while (end > 0) {
    const std::int64_t begin = std::max<std::int64_t>(0, end - 65536);
    chunk.resize(static_cast<std::size_t>(end - begin));
    file.seekg(begin);
    file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    if (!file) fail(EIO, fmt::format("cannot read {}", path.string()));
    if (const auto at = chunk.rfind('\n'); at != std::string::npos)
      return begin + static_cast<std::int64_t>(at) + 1;
    end = begin;
  }
  return 0;
}

/// Keeps the last record of each key, at the place of the first.
template <class R, class Key>
class Latest {
 public:
  explicit Latest(std::vector<R>& into) : into_(into) {}
  void add(Key key, R&& record) {
    const auto [it, fresh] = places_.emplace(std::move(key), into_.size());
    if (fresh) {
      into_.push_back(std::move(record));
    } else {
      into_[it->second] = std::move(record);
    }
  }

 private:
  std::vector<R>& into_;
  std::map<Key, std::size_t> places_;
};

}  // namespace

Writer::Writer(const fs::path& path, Mode mode) : path_(path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  int flags = O_WRONLY | O_APPEND | O_CLOEXEC;
  if (mode == Mode::create) {
    fs::create_directories(folder);
    flags |= O_CREAT | O_EXCL;
  }
  descriptor_ = ::open(path.c_str(), flags, 0644);
  if (descriptor_ < 0) {
    const int error = errno;
    fail(error, error == EEXIST
                    ? fmt::format("{} exists already; choose another file or resume", path.string())
                    : fmt::format("cannot open {}", path.string()));
  }
  // Until this process ends, however it ends; where the file system has no locks, on trust.
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(descriptor_);
    fail(EBUSY, fmt::format("another process writes {}", path.string()));
  }
  if (mode == Mode::append) whole_bytes_ = synced_bytes_ = whole_lines(path);
  if (mode == Mode::create) {
    sync_folder(folder);
  } else if (::ftruncate(descriptor_, whole_bytes_) != 0) {
    const int error = errno;
    ::close(descriptor_);
    fail(error, fmt::format("cannot cut the torn last line off {}", path.string()));
  }
}

Writer::~Writer() { ::close(descriptor_); }

void Writer::append(const Record& record, Sync sync) {
  const std::string line = dump(to_json(record)) + '\n';
  ssize_t written = 0;
  do {
    written = ::write(descriptor_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  const auto give_up = [&](int error, std::int64_t keep) {
    const bool undone = ::ftruncate(descriptor_, keep) == 0;
    fail(error, fmt::format("cannot append {} bytes to {} ({})", line.size(), path_.string(),
                            undone ? "the lines before are whole" : "its last line is torn"));
  };
  if (written != static_cast<ssize_t>(line.size()))
    give_up(written < 0 ? errno : ENOSPC, whole_bytes_);
  whole_bytes_ += written;
  if (sync == Sync::with_next) return;
  if (::fdatasync(descriptor_) != 0) {
    const int error = errno;
    whole_bytes_ = synced_bytes_;
    give_up(error, synced_bytes_);
  }
  synced_bytes_ = whole_bytes_;
}

ReadSummary read_file(const fs::path& path, const std::function<void(Record&&)>& sink) {
  std::ifstream file(path, std::ios::binary);
  if (!file || fs::is_directory(path))
    throw FileError(fmt::format("{}: cannot be read", path.string()));
  ReadSummary summary;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const bool unfinished = file.eof();
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) {
      if (unfinished) {
        summary.torn_last_line = true;
        break;
      }
      throw FileError(fmt::format("{}:{}: not a line of JSON", path.string(), number));
    }
    Record record;
    try {
      record = from_json(json);
    } catch (const std::invalid_argument& error) {
      throw FileError(fmt::format("{}:{}: {}", path.string(), number, error.what()));
    }
    ++summary.records;
    sink(std::move(record));
  }
  if (file.bad()) throw FileError(fmt::format("{}: reading failed", path.string()));
  return summary;
}

RecordSet load(const std::vector<fs::path>& paths) {
  RecordSet set;
  Latest<RunRecord, std::string> runs(set.runs);
  Latest<CaseRecord, std::tuple<std::string, std::string, int>> cases(set.cases);
  Latest<StudyRecord, std::tuple<std::string, std::string, std::uint64_t>> studies(set.studies);
  Latest<CheckRecord, std::string> checks(set.checks);
  Latest<EventRecord, std::string> events(set.events);
  std::map<std::string, std::string> used;  // run id -> a file that speaks of it
  for (const fs::path& path : paths) {
    const auto sort = [&](auto record) {
      using R = decltype(record);
      used.emplace(record.run_id, path.string());
      if constexpr (std::is_same_v<R, RunRecord>) {
        std::string key = record.run_id;
        runs.add(std::move(key), std::move(record));
      } else if constexpr (std::is_same_v<R, CaseRecord>) {
        auto key = std::make_tuple(record.run_id, record.case_id, record.round);
        cases.add(std::move(key), std::move(record));
      } else if constexpr (std::is_same_v<R, StudyRecord>) {
        auto key = std::make_tuple(record.run_id, record.case_id, record.seed);
        studies.add(std::move(key), std::move(record));
      } else if constexpr (std::is_same_v<R, CheckRecord>) {
        std::string key = dump(to_json(Record(record)));
        checks.add(std::move(key), std::move(record));
      } else {
        std::string key = dump(to_json(Record(record)));
        events.add(std::move(key), std::move(record));
      }
    };
    const ReadSummary summary =
        read_file(path, [&](Record&& record) { std::visit(sort, std::move(record)); });
    if (summary.torn_last_line)
      set.warnings.push_back(
          fmt::format("{}: the last line is torn and was left out", path.string()));
    if (summary.records == 0)
      set.warnings.push_back(fmt::format("{}: holds no records", path.string()));
  }
  for (const RunRecord& run : set.runs) used.erase(run.run_id);
  for (const auto& [run_id, path] : used)
    set.warnings.push_back(fmt::format("{}: no run record for run {}", path, run_id));
  return set;
}

}  // namespace ashlar::record
