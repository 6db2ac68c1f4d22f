#include "harness/record/merge.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/record/lines.hpp"

namespace ashlar::record {

namespace {

namespace fs = std::filesystem;

/// One input, as far as it must be known before anything is written.
struct Part {
  fs::path path;
  std::optional<RunRecord> run;
  int index = 0;  // of its shard, from 1; 0 for a run of the whole plan
  int count = 0;
  bool finished = false;
  bool torn = false;
  std::set<std::string> points;
};

std::string name_of_point(const std::string& suite, const std::string& experiment,
                          const Point& point) {
  return fmt::format("{}/{}/{}", suite, experiment, point.text());
}

void take(Part& part, const EventRecord& event) {
  if (event.event == "resumed") part.finished = false;
  if (event.event == "finished" && event.details.is_object())
    part.finished = !event.details.value("interrupted", false);
  if (event.event != "plan") return;
  try {
    const Json& shard = event.details.at("settings").at("shard");
    if (shard.is_null()) return;
    part.index = shard.at("index").get<int>();
    part.count = shard.at("count").get<int>();
  } catch (const Json::exception& error) {
    throw FileError(fmt::format("{}: event 'plan': {}", part.path.string(), error.what()));
  }
}

Part survey(const fs::path& path) {
  Part part;
  part.path = path;
  const ReadSummary read = read_file(path, [&](Record&& any) {
    if (auto* run = std::get_if<RunRecord>(&any)) {
      if (part.run && part.run->run_id != run->run_id)
        throw FileError(
            fmt::format("{}: holds several runs; merge the shards' own files", path.string()));
      part.run = std::move(*run);
    } else if (const auto* one = std::get_if<CaseRecord>(&any)) {
      part.points.insert(name_of_point(one->suite, one->experiment, one->point));
    } else if (const auto* study = std::get_if<StudyRecord>(&any)) {
      part.points.insert(name_of_point(study->suite, study->experiment, study->point));
    } else if (const auto* event = std::get_if<EventRecord>(&any)) {
      take(part, *event);
    }
  });
  if (!part.run) throw FileError(fmt::format("{}: has no run record", path.string()));
  part.torn = read.torn_last_line;
  return part;
}

std::string binary_of(const RunRecord& run) {
  const auto hash = run.build.find("binary_sha256");
  return hash != run.build.end() && hash->is_string() ? hash->get<std::string>() : "unknown";
}

void refuse_strangers(const std::vector<Part>& parts) {
  const Part& first = parts.front();
  for (const Part& part : parts) {
    const auto compare = [&](const char* what, const std::string& a, const std::string& b) {
      if (a == b) return;
      throw FileError(fmt::format("cannot merge {} and {}: {} {} and {}", first.path.string(),
                                  part.path.string(), what, a, b));
    };
    compare("mode", first.run->mode, part.run->mode);
    compare("seed", std::to_string(first.run->seed), std::to_string(part.run->seed));
    compare("plan", first.run->plan_hash, part.run->plan_hash);
    compare("binary", binary_of(*first.run).substr(0, 12), binary_of(*part.run).substr(0, 12));
    compare("number of shards", std::to_string(first.count), std::to_string(part.count));
  }
}

void refuse_overlap(const std::vector<Part>& parts) {
  std::map<std::string, const Part*> runs;
  std::map<int, const Part*> shards;
  std::map<std::string, const Part*> points;
  for (const Part& part : parts) {
    const auto once = [&](auto& seen, const auto& key, const std::string& what) {
      const auto [found, fresh] = seen.emplace(key, &part);
      if (fresh) return;
      throw FileError(fmt::format("cannot merge {} and {}: both hold {}",
                                  found->second->path.string(), part.path.string(), what));
    };
    once(runs, part.run->run_id, "run " + part.run->run_id);
    if (part.index > 0)
      once(shards, part.index, fmt::format("shard {}/{}", part.index, part.count));
    for (const std::string& point : part.points) once(points, point, "point " + point);
  }
}

std::vector<std::string> warnings_of(const std::vector<Part>& parts) {
  std::vector<std::string> warnings;
  std::set<int> there;
  for (const Part& part : parts) {
    there.insert(part.index);
    if (part.torn)
      warnings.push_back(
          fmt::format("{}: the last line is torn and was left out", part.path.string()));
    if (!part.finished)
      warnings.push_back(
          fmt::format("{}: its run is not finished; --resume goes on with it", part.path.string()));
  }
  std::vector<std::string> missing;
  const int count = parts.front().count;
  for (int index = 1; index <= count; ++index) {
    if (!there.contains(index)) missing.push_back(fmt::format("{}/{}", index, count));
  }
  if (!missing.empty())
    warnings.push_back(
        fmt::format("missing shard{} {}", missing.size() > 1 ? "s" : "", fmt::join(missing, ", ")));
  return warnings;
}

/// Shards with the same become one run.
std::string place_of(const RunRecord& run) {
  const auto host = run.machine.find("host_hash");
  return fmt::format("{} {} {}", run.machine_id, host != run.machine.end() ? host->dump() : "null",
                     run.threads);
}

/// Copies lines as they are but for the run they belong to; fields that this version does not know
/// stay.
class Copier {
 public:
  Copier(const std::vector<Part>& parts, const fs::path& target) : file_(target, std::ios::binary) {
    if (!file_)
      throw FileError(fmt::format("cannot write '{}': {}", target.string(), std::strerror(errno)));
    for (const Part& part : parts) {
      const auto [found, first] = run_at_.emplace(place_of(*part.run), part.run->run_id);
      run_of_[part.run->run_id] = found->second;
    }
  }
  void copy(const Part& part) {
    detail::LineSource lines(part.path, /*padding=*/0);
    while (const auto line = lines.next()) {
      Json json = Json::parse(*line, nullptr, false);
      if (json.is_discarded()) break;  // the torn last one: read_file accepted the rest
      const std::string own = json.at("run_id");
      const std::string& into = run_of_.at(own);
      if (json.at("kind") == "run" && into != own) json = as_event(json);
      json["run_id"] = into;
      file_ << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
      ++lines_;
    }
  }
  std::size_t lines() const { return lines_; }
  std::size_t runs() const { return run_at_.size(); }
  bool close() {
    file_.close();
    return static_cast<bool>(file_);
  }

 private:
  static Json as_event(const Json& run) {
    return to_json(EventRecord{run.at("run_id"), "merged", run.at("started"), run});
  }

  std::ofstream file_;
  std::map<std::string, std::string> run_at_;  // place -> run id
  std::map<std::string, std::string> run_of_;  // run id -> the one it becomes part of
  std::size_t lines_ = 0;
};

}  // namespace

Merged merge(const std::vector<fs::path>& inputs, const fs::path& output) {
  std::vector<Part> parts;
  parts.reserve(inputs.size());
  for (const fs::path& input : inputs) parts.push_back(survey(input));
  refuse_strangers(parts);
  refuse_overlap(parts);
  if (fs::exists(output))
    throw FileError(fmt::format("'{}' exists; choose another name or remove it", output.string()));
  const fs::path unfinished = output.string() + ".unfinished";
  Copier copier(parts, unfinished);
  for (const Part& part : parts) copier.copy(part);
  if (!copier.close()) {
    const int error = errno;
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    throw std::system_error(error, std::generic_category(), "cannot write " + unfinished.string());
  }
  fs::rename(unfinished, output);
  return {copier.lines(), copier.runs(), warnings_of(parts)};
}

}  // namespace ashlar::record
