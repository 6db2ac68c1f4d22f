#include "harness/report/grid.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ashlar::report {

namespace {

std::string cell(const std::vector<std::string>& row, std::size_t column) {
  return column < row.size() ? row[column] : std::string();
}

std::vector<std::size_t> widths_of(const Grid& grid) {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < grid.columns.size(); ++c) {
    std::size_t width = std::max<std::size_t>(3, display_width(grid.columns[c].header));
    for (const auto* rows : {&grid.rows, &grid.footer}) {
      for (const auto& row : *rows)
        width = std::max(width, display_width(escape_markdown(cell(row, c))));
    }
    widths.push_back(width);
  }
  return widths;
}

std::string csv_value(const model::Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return escape_csv(value.get<std::string>());
  if (value.is_array()) {
    std::vector<std::string> parts;
    for (const model::Json& part : value)
      parts.push_back(part.is_string() ? part.get<std::string>() : part.dump());
    return escape_csv(fmt::format("{}", fmt::join(parts, ";")));
  }
  return escape_csv(value.dump());
}

template <class Visit>
void flatten(const model::Json& object, const std::string& prefix, const Visit& visit) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_object()) {
      flatten(value, prefix + name + ".", visit);
    } else {
      visit(prefix + name, value);
    }
  }
}

}  // namespace

std::string to_markdown(const Grid& grid) {
  const std::vector<std::size_t> widths = widths_of(grid);
  std::string out;
  if (!grid.title.empty())
    out += fmt::format("**{}**{}{}\n\n", grid.title, grid.remark.empty() ? "" : " ", grid.remark);
  const auto write_row = [&](const std::vector<std::string>& row) {
    out += '|';
    for (std::size_t c = 0; c < widths.size(); ++c)
      out += ' ' + pad(escape_markdown(cell(row, c)), widths[c], grid.columns[c].align) + " |";
    out += '\n';
  };
  std::vector<std::string> headers;
  for (const Column& column : grid.columns) headers.push_back(column.header);
  write_row(headers);
  out += '|';
  for (std::size_t c = 0; c < widths.size(); ++c) {
    const bool right = grid.columns[c].align == Align::right;
    out += (right ? std::string(widths[c] + 1, '-') + ':' : std::string(widths[c] + 2, '-')) + '|';
  }
  out += '\n';
  for (const auto& row : grid.rows) write_row(row);
  for (const auto& row : grid.footer) write_row(row);
  if (!grid.notes.empty()) out += '\n';
  // Two blanks at the end keep notes on lines of their own in rendered Markdown.
  for (const std::string& note : grid.notes) out += note + "  \n";
  return out;
}

std::string to_latex(const Grid& grid) {
  std::string out;
  if (!grid.title.empty()) {
    out += fmt::format("\\paragraph{{{}}} {}\n\n", escape_latex(grid.title),
                       escape_latex(grid.remark));
  }
  std::string alignment;
  for (const Column& column : grid.columns) alignment += column.align == Align::right ? 'r' : 'l';
  out += "\\begin{tabular}{" + alignment + "}\n\\hline\n";
  const auto write_row = [&](const std::vector<std::string>& row) {
    std::vector<std::string> cells;
    for (std::size_t c = 0; c < grid.columns.size(); ++c)
      cells.push_back(escape_latex(cell(row, c)));
    out += fmt::format("{} \\\\\n", fmt::join(cells, " & "));
  };
  std::vector<std::string> headers;
  for (const Column& column : grid.columns) headers.push_back(column.header);
  write_row(headers);
  out += "\\hline\n";
  for (const auto& row : grid.rows) write_row(row);
  if (!grid.footer.empty()) out += "\\hline\n";
  for (const auto& row : grid.footer) write_row(row);
  out += "\\hline\n\\end{tabular}\n";
  for (const std::string& note : grid.notes)
    out.append("\n").append(escape_latex(note)).append("\n");
  return out;
}

std::string to_csv(const Rows& rows) {
  if (rows.empty()) return "";
  std::vector<std::string> header;
  std::unordered_map<std::string, std::size_t> places;
  std::vector<std::vector<std::string>> lines;
  for (const model::Json& row : rows) {
    std::vector<std::string> line(header.size());
    flatten(row, "", [&](const std::string& name, const model::Json& value) {
      const auto [place, added] = places.try_emplace(name, header.size());
      if (added) {
        header.push_back(name);
        line.emplace_back();
      }
      line[place->second] = csv_value(value);
    });
    lines.push_back(std::move(line));
  }
  for (std::string& name : header) name = escape_csv(name);
  std::string out = fmt::format("{}\n", fmt::join(header, ","));
  for (std::vector<std::string>& line : lines) {
    line.resize(header.size());
    out += fmt::format("{}\n", fmt::join(line, ","));
  }
  return out;
}

std::string to_json(const Rows& rows) {
  if (rows.empty()) return "[]\n";
  std::string out = "[";
  const char* separator = "\n  ";
  for (const model::Json& row : rows) {
    out += separator + row.dump(-1, ' ', false, model::Json::error_handler_t::replace);
    separator = ",\n  ";
  }
  return out + "\n]\n";
}

}  // namespace ashlar::report
