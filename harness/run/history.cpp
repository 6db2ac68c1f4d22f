#include "harness/run/history.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ashlar::run {

using record::CaseRecord;
using record::CheckRecord;
using record::EventRecord;
using record::RunRecord;
using record::Status;
using record::StudyRecord;

namespace {

/// Collects the records of one file; the later one of a kind and place wins, as in record::load.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  void operator()(RunRecord&& record) {
    if (history_.run && history_.run->run_id != record.run_id)
      throw record::FileError(file_ + ": holds several runs; a run is resumed in its own file");
    history_.run = std::move(record);
  }
  void operator()(CaseRecord&& record) {
    std::string id = record.case_id;
    const int round = record.round;
    cases_[{std::move(id), round}] = std::move(record);
  }
  void operator()(StudyRecord&& record) {
    studies_[study_id(record.case_id, record.seed)] = {
        point_key(record.suite, record.experiment, record.point),
        {record.suite.str() + "/" + record.experiment.str(), record.implementation},
        record.point.text(),
        record.status};
  }
  void operator()(CheckRecord&&) {}
  void operator()(EventRecord&& record) {
    const Json& details = record.details;
    if (record.event == "plan") history_.settings = details.at("settings");
    if (record.event == "point-finished") take_finished(details);
    if (record.event == "rounds") history_.stops[point_of(details)] = details;
    if (record.event == "dropped" && details.at("why") == "budget")
      history_.dropped.emplace(point_of(details), details.at("round").get<int>());
    if (record.event == "calibration") history_.calibrated_at_end = true;
    if (record.event == "finished") history_.ended = !details.value("interrupted", false);
    if (record.event == "resumed") history_.ended = false;
  }

  bool holds_cases() const { return !cases_.empty() || !studies_.empty(); }

  History take() {
    for (auto& [key, record] : cases_) take_case(record);
    for (const auto& [id, study] : studies_) {
      if (!is_finished(study.point, 0)) continue;
      note(id, study.status);
      note_deadline(study.status, study.who, study.where);
    }
    return std::move(history_);
  }

 private:
  struct Study {
    std::string point;
    std::pair<std::string, std::string> who;
    std::string where;
    Status status;
  };

  static std::string point_of(const Json& details) {
    return point_key(details.at("suite"), details.at("experiment"),
                     model::Point::from_json(details.at("point")));
  }
  bool is_finished(const std::string& point, int round) const {
    const auto found = history_.finished.find(point);
    return found != history_.finished.end() && found->second.contains(round);
  }
  void note(const std::string& id, Status status) {
    const auto [found, first] = history_.gravest.try_emplace(id, status);
    if (record::severity(status) > record::severity(found->second)) found->second = status;
  }
  void note_deadline(Status status, const std::pair<std::string, std::string>& who,
                     const std::string& where) {
    if (status == Status::timeout) history_.timed_out_at.emplace(who, where);
  }
  void take_finished(const Json& details) {
    const std::string point = point_of(details);
    const int round = details.at("round");
    history_.finished[point].insert(round);
    if (round == 0) history_.seconds[point] = details.at("seconds");
    history_.controls_accepted += details.at("controls_accepted").get<std::size_t>();
    history_.elapsed_s = details.at("elapsed_s");
    history_.lost_s = details.at("lost_s");
  }
  void take_case(CaseRecord& record) {
    const std::string point = point_key(record.suite, record.experiment, record.point);
    if (!is_finished(point, record.round)) return;
    note(record.case_id, record.status);
    note_deadline(record.status,
                  {record.suite.str() + "/" + record.experiment.str(), record.implementation},
                  record.point.text());
    if (record.status == Status::ok && !record.samples_ns.empty())
      history_.times[point][record.implementation][record.round].assign(record.samples_ns.begin(),
                                                                        record.samples_ns.end());
  }

  std::string file_;
  History history_;
  std::map<std::pair<std::string, int>, CaseRecord> cases_;
  std::map<std::string, Study> studies_;
};

}  // namespace

std::string point_key(const std::string& suite, const std::string& experiment,
                      const model::Point& point) {
  return fmt::format("{}/{}/{}", suite, experiment, point.text());
}

std::string point_key(const PlannedPoint& planned) {
  return point_key(planned.experiment->suite, planned.experiment->name, planned.point);
}

std::string study_id(const std::string& case_id, std::uint64_t ordinal) {
  return fmt::format("{} {}", case_id, ordinal);
}

History read_history(const std::filesystem::path& path) {
  Reader reader(path.string());
  const record::ReadSummary read = record::read_file(path, [&](record::Record&& record) {
    try {
      std::visit([&](auto&& one) { reader(std::move(one)); }, std::move(record));
    } catch (const record::FileError&) {
      throw;
    } catch (const std::exception& error) {
      throw record::FileError(fmt::format("{}: an event without the fields that resuming needs: {}",
                                          path.string(), error.what()));
    }
  });
  History history = reader.take();
  if (history.run && !history.settings && reader.holds_cases()) {
    throw record::FileError(
        fmt::format("{}: was recorded by a version that did not note which rounds were finished; "
                    "it cannot be resumed",
                    path.string()));
  }
  if (!history.run && read.records > 0)
    throw record::FileError(
        fmt::format("{}: has no run record; it cannot be resumed", path.string()));
  return history;
}

void refuse_another(const History& history, const Identity& now) {
  const RunRecord& before = *history.run;
  const auto refuse = [&](const std::string& what, const std::string& then,
                          const std::string& here) {
    throw UsageError(
        fmt::format("--resume: run {} was made with {} {}, this is {}; its words were: {}",
                    before.run_id, what, then, here, fmt::join(before.argv, " ")));
  };
  const auto compare = [&](const char* what, const std::string& then, const std::string& here) {
    if (then != here) refuse(what, then, here);
  };
  compare("mode", before.mode, now.mode);
  compare("seed", std::to_string(before.seed), std::to_string(now.seed));
  compare("plan", before.plan_hash, now.plan_hash);
  compare("threads", std::to_string(before.threads), std::to_string(now.threads));
  const auto hash = before.build.find("binary_sha256");
  const bool known = hash != before.build.end() && hash->is_string();
  compare("binary", known ? hash->get<std::string>().substr(0, 12) : "of unknown hash",
          now.binary.substr(0, 12));
  compare("machine", before.machine_id, now.machine_id);
  for (const auto& [name, value] : now.settings.items()) {
    if (!history.settings) break;
    compare(name.c_str(), history.settings->value(name, Json()).dump(), value.dump());
  }
}

}  // namespace ashlar::run
