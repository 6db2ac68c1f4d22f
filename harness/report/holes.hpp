#pragma once
// What a figure does not show, for the note below its panels; not for other folders.
#include <map>
#include <set>
#include <string>
#include <vector>

namespace ashlar::report {

class Holes {
 public:
  /// A point that an implementation has, drawn or not.
  void point(const std::string& implementation) { ++points_[implementation]; }
  /// It is not drawn there. The reason may be empty.
  void add(const std::string& implementation, const std::string& why, const std::string& reason);
  /// A point of the page at which nothing can be compared, and one at which it can.
  void incomparable() { ++incomparable_; }
  void comparable() { ++comparable_; }

  /// "Not drawn: naive and reference unsupported at 4 of 12 points; ...": who shares a reason
  /// stands together. Empty where all is drawn.
  std::string text(const std::vector<std::string>& order, const std::string& baseline) const;

 private:
  struct Hole {
    std::size_t count = 0;
    std::set<std::string> reasons;
  };
  std::string phrase(const std::string& implementation) const;

  std::map<std::string, std::map<std::string, Hole>> holes_;  // implementation -> why
  std::map<std::string, std::size_t> points_;
  std::size_t incomparable_ = 0;
  std::size_t comparable_ = 0;
};

}  // namespace ashlar::report
