#pragma once
// A table of words, and the two ways to typeset it; and a list of flat JSON objects, and the two
// ways to write that.
#include <string>
#include <vector>

#include "harness/model/value.hpp"
#include "harness/report/text.hpp"

namespace ashlar::report {

struct Column {
  std::string header;
  Align align = Align::left;
};

struct Grid {
  std::string title;   // above the table, in bold; may be empty
  std::string remark;  // after the title
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::vector<std::string>> footer;  // geometric means and the like
  std::vector<std::string> notes;                // below the table
};

/// Padded so that it is readable as it stands, and a table to any Markdown renderer.
std::string to_markdown(const Grid& grid);
/// A plain tabular with \hline; needs no package. Title and notes stand around it as text.
std::string to_latex(const Grid& grid);

/// JSON objects. As CSV the columns are the keys of all of them in order of appearance, objects
/// inside flattened as outer.inner; numbers as JSON writes them, null as nothing, arrays joined by
/// semicolons.
using Rows = std::vector<model::Json>;
std::string to_csv(const Rows& rows);
std::string to_json(const Rows& rows);

}  // namespace ashlar::report
