#pragma once
// The record file of a run as the supervisor writes it.
#include <optional>
#include <string>

#include "harness/record/file.hpp"

namespace ashlar::run {

using model::Json;

class Journal {
 public:
  Journal(record::Writer& writer, std::string run_id);

  /// Throws std::system_error when the disk is full: what was written before stays whole. The
  /// records of a point and round may be synced with its last one.
  using Sync = record::Writer::Sync;
  void append(const record::Record& record, Sync sync = Sync::now);
  void event(const std::string& name, Json details);
  /// The event `resumed` with these details comes before the next record, if there is one: a run
  /// that has nothing left to do is not touched.
  void announce(Json details) { resumed_ = std::move(details); }
  bool touched() const { return touched_; }
  /// Spent on writing and syncing.
  double seconds() const { return seconds_; }

 private:
  record::Writer& writer_;
  std::string run_id_;
  std::optional<Json> resumed_;
  bool touched_ = false;
  double seconds_ = 0;
};

}  // namespace ashlar::run
