#pragma once
// The parts that timed_pages() is made of; not for other folders.
#include <map>
#include <string>
#include <vector>

#include "harness/report/page.hpp"

namespace ashlar::report {

/// The measured roofline of each device and precision: at each point the smaller of peak and
/// bandwidth times intensity, where the work says its bytes. rows[i] are the points of
/// page.panels[i]. A roofline far above all marks becomes a note. Before scale_y().
void add_roofs(Page& page, const std::vector<std::vector<const Row*>>& rows, const Roof& roof,
               const Abscissa& abscissa, const std::string& x);
/// Slopes one and two, from the left edge of each panel and the middle of the marks there, as far
/// as the panel reaches. After scale_y().
void add_slopes(Page& page, const std::string& axis);

}  // namespace ashlar::report
