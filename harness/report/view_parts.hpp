#pragma once
// The parts that view() is made of; not for other folders.
#include <string>
#include <vector>

#include "harness/report/view.hpp"

namespace ashlar::report {

/// The declaration in the run record, or one with names only.
Declared declaration(const record::RunRecord* run, const std::string& suite,
                     const std::string& experiment);
/// Declared implementations first, in their order, then the others in theirs.
std::vector<std::string> table_order(const Declared& declared, std::vector<std::string> present);
/// By the order of the declared axis values, then by size.
bool point_before(const Declared& declared, const model::Point& a, const model::Point& b);

/// All rounds of one implementation at one point.
Cell make_cell(std::vector<const record::CaseRecord*> records, const Roof& roof);
/// Fills speedups of every cell of the row over each baseline that has samples there.
void add_speedups(Row& row, const std::vector<std::string>& baselines);
StudyCell make_study_cell(std::vector<const record::StudyRecord*> records);

}  // namespace ashlar::report
