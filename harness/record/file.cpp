#include "harness/record/file.hpp"

#include <cerrno>
#include <fstream>
#include <map>
#include <optional>
#include <system_error>
#include <unordered_set>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "harness/record/fast_case.hpp"
#include "harness/record/interner.hpp"
#include "harness/record/lines.hpp"

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

std::size_t combine(std::size_t hash, std::size_t more) {
  return (hash ^ more) * 0x9e3779b97f4a7c15ull;
}

std::size_t hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }

/// What makes a later record take the place of an earlier one.
struct RunKey {
  static std::size_t hash(const RunRecord& record) { return hash_of(record.run_id); }
  static bool same(const RunRecord& a, const RunRecord& b) { return a.run_id == b.run_id; }
};
struct CaseKey {
  static std::size_t hash(const CaseRecord& record) {
    return combine(hash_of(record.case_id.str()), static_cast<std::size_t>(record.round));
  }
  static bool same(const CaseRecord& a, const CaseRecord& b) {
    return a.round == b.round && a.case_id == b.case_id && a.run_id == b.run_id;
  }
};
struct StudyKey {
  static std::size_t hash(const StudyRecord& record) {
    return combine(hash_of(record.case_id.str()), record.seed);
  }
  static bool same(const StudyRecord& a, const StudyRecord& b) {
    return a.seed == b.seed && a.case_id == b.case_id && a.run_id == b.run_id;
  }
};

/// Keeps the last record of each key, at the place of the first. The keys stay in the records; the
/// table holds their places only.
template <class Records, class Key>
class Latest {
 public:
  explicit Latest(Records& into) : into_(into), slots_(64, kFree) {}

  void add(typename Records::value_type&& record) {
    if (2 * into_.size() >= slots_.size()) grow();
    std::size_t& slot = slots_[place_of(record)];
    if (slot == kFree) {
      slot = into_.size();
      into_.push_back(std::move(record));
    } else {
      into_[slot] = std::move(record);
    }
  }

 private:
  static constexpr std::size_t kFree = SIZE_MAX;

  std::size_t place_of(const typename Records::value_type& record) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t place = combine(Key::hash(record), 1) >> 16 & mask;
    while (slots_[place] != kFree && !Key::same(into_[slots_[place]], record))
      place = (place + 1) & mask;
    return place;
  }
  void grow() {
    slots_.assign(2 * slots_.size(), kFree);
    for (std::size_t i = 0; i < into_.size(); ++i) slots_[place_of(into_[i])] = i;
  }

  Records& into_;
  std::vector<std::size_t> slots_;
};

/// Of equal lines one is kept.
template <class R>
class Different {
 public:
  explicit Different(std::vector<R>& into) : into_(into) {}
  void add(R&& record) {
    if (lines_.insert(dump(to_json(Record(record)))).second) into_.push_back(std::move(record));
  }

 private:
  std::vector<R>& into_;
  std::unordered_set<std::string> lines_;
};

/// By the definition of a record. Nothing for a torn last line.
std::optional<Record> read_line(std::string_view line, bool unfinished, const fs::path& path,
                                std::size_t number) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    if (unfinished) return std::nullopt;
    throw FileError(fmt::format("{}:{}: not a line of JSON", path.string(), number));
  }
  try {
    return from_json(json);
  } catch (const std::invalid_argument& error) {
    throw FileError(fmt::format("{}:{}: {}", path.string(), number, error.what()));
  }
}

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
  // What would be cut off it is no torn line.
  if (mode == Mode::append && is_compressed(path)) {
    ::close(descriptor_);
    fail(EINVAL, fmt::format("{} is compressed and cannot be appended to", path.string()));
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
  ReadSummary summary;
  detail::FastCaseReader fast;
  detail::Sharer sharer;
  detail::LineSource lines(path, detail::FastCaseReader::kPadding);
  for (std::size_t number = 1; const auto line = lines.next(); ++number) {
    if (auto record = fast.read(*line)) {
      ++summary.records;
      sink(std::move(*record));
      continue;
    }
    std::optional<Record> record;
    try {
      record = read_line(*line, lines.unfinished(), path, number);
    } catch (const FileError&) {
      // Damage to compressed data may show as a bad line long before the checksum that tells.
      lines.check_rest();
      throw;
    }
    if (!record) {
      summary.torn_last_line = true;
      break;
    }
    std::visit([&](auto& one) { sharer.share(one); }, *record);
    ++summary.records;
    sink(std::move(*record));
  }
  return summary;
}

RecordSet load(const std::vector<fs::path>& paths) {
  RecordSet set;
  Latest<std::vector<RunRecord>, RunKey> runs(set.runs);
  Latest<std::deque<CaseRecord>, CaseKey> cases(set.cases);
  Latest<std::vector<StudyRecord>, StudyKey> studies(set.studies);
  Different<CheckRecord> checks(set.checks);
  Different<EventRecord> events(set.events);
  std::map<std::string, std::string> used;  // run id -> a file that speaks of it
  for (const fs::path& path : paths) {
    std::optional<std::string> last;  // run id
    const auto sort = [&]<class R>(R record) {
      if (last != record.run_id) used.try_emplace(last.emplace(record.run_id), path.string());
      if constexpr (std::is_same_v<R, RunRecord>) runs.add(std::move(record));
      if constexpr (std::is_same_v<R, CaseRecord>) cases.add(std::move(record));
      if constexpr (std::is_same_v<R, StudyRecord>) studies.add(std::move(record));
      if constexpr (std::is_same_v<R, CheckRecord>) checks.add(std::move(record));
      if constexpr (std::is_same_v<R, EventRecord>) events.add(std::move(record));
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
