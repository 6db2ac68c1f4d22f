#pragma once
// The fields of each kind of record, in the order of a line. Private to this folder.
#include <type_traits>

#include "harness/record/record.hpp"

namespace ashlar::record::detail {

// One list per kind serves every archive, those that read and those that write: T is const when
// writing. An archive takes the name of a field and the field.

template <class Archive, class T>
void run_fields(Archive& archive, T& record) {
  archive("run_id", record.run_id);
  archive("plan_hash", record.plan_hash);
  archive("argv", record.argv);
  archive("started", record.started);
  archive("mode", record.mode);
  archive("seed", record.seed);
  archive("threads", record.threads);
  archive("build", record.build);
  archive("machine_id", record.machine_id);
  archive("machine", record.machine);
  archive("calibration", record.calibration);
  archive("experiments", record.experiments);
}

template <class Archive, class T>
void identity_fields(Archive& archive, T& record) {
  archive("run_id", record.run_id);
  archive("plan_hash", record.plan_hash);
  archive("case_id", record.case_id);
  archive("key", record.key);
  archive("suite", record.suite);
  archive("experiment", record.experiment);
  archive("point", record.point);
  archive("implementation", record.implementation);
  archive("tier", record.tier);
  archive("device", record.device);
}

template <class Archive, class T>
void case_fields(Archive& archive, T& record) {
  identity_fields(archive, record);
  archive("round", record.round);
  archive("status", record.status);
  archive("reason", record.reason);
  archive("samples_ns", record.samples_ns);
  archive("cpu_ns", record.cpu_ns);
  archive("batch", record.batch);
  archive("warmups", record.warmups);
  archive("stop_reason", record.stop_reason);
  archive("flags", record.flags);
  archive("work", record.work);
  archive("counters", record.counters);
  archive("metrics", record.metrics);
  archive("prepare_ns", record.prepare_ns);
  archive("peak_extra_bytes", record.peak_extra_bytes);
  archive("workspace_bytes", record.workspace_bytes);
  archive("threads", record.threads);
  archive("exit", record.exit);
}

template <class Archive, class T>
void check_fields(Archive& archive, T& record) {
  archive("run_id", record.run_id);
  archive("case_id", record.case_id);
  archive("key", record.key);
  archive("suite", record.suite);
  archive("experiment", record.experiment);
  archive("point", record.point);
  archive("implementation", record.implementation);
  archive("round", record.round);
  archive("control", record.control);
  archive("oracle", record.oracle);
  archive("accepted", record.accepted);
  archive("norms", record.norms);
  archive("limit", record.limit);
  archive("mismatch", record.mismatch);
}

template <class Archive, class T>
void study_fields(Archive& archive, T& record) {
  identity_fields(archive, record);
  archive("seed", record.seed);
  archive("status", record.status);
  archive("reason", record.reason);
  archive("metrics", record.metrics);
  archive("counters", record.counters);
  archive("curves", record.curves);
  archive("wall_ns", record.wall_ns);
  archive("exit", record.exit);
}

template <class Archive, class T>
void event_fields(Archive& archive, T& record) {
  archive("run_id", record.run_id);
  archive("event", record.event);
  archive("time", record.time);
  archive("details", record.details);
}

template <class A, class T>
void fields(A& archive, T& record) {
  using R = std::remove_const_t<T>;
  if constexpr (std::is_same_v<R, RunRecord>) run_fields(archive, record);
  if constexpr (std::is_same_v<R, CaseRecord>) case_fields(archive, record);
  if constexpr (std::is_same_v<R, CheckRecord>) check_fields(archive, record);
  if constexpr (std::is_same_v<R, StudyRecord>) study_fields(archive, record);
  if constexpr (std::is_same_v<R, EventRecord>) event_fields(archive, record);
}

}  // namespace ashlar::record::detail
