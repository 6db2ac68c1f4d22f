#include "impls/bcd/line_search.hpp"

#include "impls/bcd/line_search_steps.hpp"

namespace ashlar::bcd {

LineSearchResult search_line(const std::function<double(double)>& along, double value, double slope,
                             const LineSearchOptions& options) {
  return kernel::search_line_steps(along, value, slope, options);
}

}  // namespace ashlar::bcd
