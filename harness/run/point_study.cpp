#include "harness/run/point_run.hpp"

namespace ashlar::run {

using record::Status;

namespace {

void take_answer(const Json& answer, record::StudyRecord& study) {
  study.metrics = numbers_from(answer.at("metrics"));
  study.counters = numbers_from(answer.at("counters"));
  study.wall_ns = answer.at("wall_ns").get<std::int64_t>();
  for (const auto& [name, columns] : answer.at("curves").items()) {
    for (const Json& column : columns) {
      std::vector<double> values;
      for (const Json& value : column.at("values"))
        values.push_back(record::number_from_json(value));
      study.curves[name].emplace_back(column.at("name").get<std::string>(), std::move(values));
    }
  }
}

}  // namespace

void PointRun::run_studies() {
  open_worker();
  for (Entry& entry : entries_) {
    const int seeds = planned_.experiment->seeds_of(planned_.point, entry.implementation->name);
    for (int ordinal = 0; ordinal < seeds; ++ordinal) {
      entry.record.status = Status::ok;
      entry.record.reason.reset();
      study_once(entry, static_cast<std::uint64_t>(ordinal));
    }
  }
}

void PointRun::study_once(Entry& entry, std::uint64_t ordinal) {
  record::StudyRecord study;
  if (supervisor_.stopping()) {
    entry.record.status = Status::dropped;
    entry.record.reason = "interrupted";
  } else if (supervisor_.time_left_s() <= 0) {
    entry.record.status = Status::dropped;
    entry.record.reason = "budget";
  } else if (const auto& hung = supervisor_.timed_out_at_; hung.contains(who(entry))) {
    entry.record.status = Status::dropped;
    entry.record.reason = "ran into its deadline at " + hung.at(who(entry));
  } else if (worker_ || open_worker()) {
    guarded(entry, [&] {
      const Reply reply = ask(
          entry,
          {{"do", "study"}, {"implementation", entry.implementation->name}, {"ordinal", ordinal}});
      if (entry.record.status == Status::ok) take_answer(reply.message, study);
    });
  }
  write_study(entry, ordinal, std::move(study));
}

void PointRun::write_study(const Entry& entry, std::uint64_t ordinal, record::StudyRecord study) {
  const record::CaseRecord& shared = entry.record;
  study.run_id = shared.run_id;
  study.plan_hash = shared.plan_hash;
  study.case_id = shared.case_id;
  study.key = shared.key;
  study.suite = shared.suite;
  study.experiment = shared.experiment;
  study.point = shared.point;
  study.implementation = shared.implementation;
  study.tier = shared.tier;
  study.device = shared.device;
  study.seed = ordinal;
  study.status = shared.status;
  study.reason = shared.reason;
  study.exit = shared.exit;
  supervisor_.journal_.append(study);
  supervisor_.note_status(study_id(shared.case_id, ordinal), shared.status);
}

}  // namespace ashlar::run
