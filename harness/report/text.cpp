#include "harness/report/text.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "harness/model/value.hpp"

namespace ashlar::report {

namespace {

constexpr std::pair<Format, std::string_view> kFormats[] = {{Format::markdown, "markdown"},
                                                            {Format::csv, "csv"},
                                                            {Format::latex, "latex"},
                                                            {Format::json, "json"}};

/// Length in bytes of the escape sequence at the start of `text`, or 0.
std::size_t escape_sequence(std::string_view text) {
  if (text.size() < 2 || text[0] != '\x1b' || text[1] != '[') return 0;
  const std::size_t end = text.find('m');
  return end == std::string_view::npos ? 0 : end + 1;
}

bool continuation(char letter) { return (static_cast<unsigned char>(letter) & 0xC0u) == 0x80u; }

/// U+0300 to U+036F: combining marks take no column.
bool combining(std::string_view text) {
  if (text.size() < 2) return false;
  const auto first = static_cast<unsigned char>(text[0]);
  const auto second = static_cast<unsigned char>(text[1]);
  return first == 0xCC || (first == 0xCD && second < 0xB0);
}

/// Text is replaced symbol by symbol: the longest match of the table at each place.
template <std::size_t Count>
std::string replace(std::string_view text,
                    const std::pair<std::string_view, std::string_view> (&table)[Count]) {
  std::string out;
  while (!text.empty()) {
    bool found = false;
    for (const auto& [from, to] : table) {
      if (!text.starts_with(from)) continue;
      out += to;
      text.remove_prefix(from.size());
      found = true;
      break;
    }
    if (found) continue;
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

void wrap_line(std::string_view line, std::size_t width, std::vector<std::string>& lines) {
  std::string current;
  std::size_t columns = 0;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (word.empty()) continue;
    const std::size_t size = display_width(word);
    if (columns > 0 && columns + 1 + size > width) {
      lines.push_back(std::move(current));
      current.clear();
      columns = 0;
    }
    if (columns > 0) {
      current += ' ';
      ++columns;
    }
    current += word;
    columns += size;
  }
  lines.push_back(std::move(current));
}

}  // namespace

std::string_view name_of(Format format) {
  for (const auto& [value, name] : kFormats) {
    if (value == format) return name;
  }
  return "?";
}

Format parse_format(std::string_view text) {
  std::vector<std::string> known;
  for (const auto& [value, name] : kFormats) {
    if (name == text) return value;
    known.emplace_back(name);
  }
  throw std::invalid_argument(
      fmt::format("unknown format '{}'{}", text, model::suggestion(text, known)));
}

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    if (const std::size_t skip = escape_sequence(text)) {
      text.remove_prefix(skip);
      continue;
    }
    if (!continuation(text.front()) && !combining(text)) ++columns;
    text.remove_prefix(1);
  }
  return columns;
}

std::string pad(std::string_view text, std::size_t width, Align align) {
  const std::size_t have = display_width(text);
  const std::string blanks(width > have ? width - have : 0, ' ');
  return align == Align::left ? std::string(text) + blanks : blanks + std::string(text);
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  while (true) {
    const std::size_t end = text.find('\n');
    wrap_line(text.substr(0, end), width, lines);
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

std::string escape_markdown(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> kTable[] = {
      {"|", "\\|"}, {"\r\n", "<br>"}, {"\n", "<br>"}, {"\r", " "}, {"<", "&lt;"}};
  return replace(text, kTable);
}

std::string escape_csv(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  static constexpr std::pair<std::string_view, std::string_view> kTable[] = {{"\"", "\"\""}};
  return '"' + replace(text, kTable) + '"';
}

std::string escape_latex(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> kTable[] = {
      {"\\", "\\textbackslash{}"},
      {"&", "\\&"},
      {"%", "\\%"},
      {"$", "\\$"},
      {"#", "\\#"},
      {"_", "\\_"},
      {"{", "\\{"},
      {"}", "\\}"},
      {"~", "\\textasciitilde{}"},
      {"^", "\\textasciicircum{}"},
      {"<", "$<$"},
      {">", "$>$"},
      {"|", "$|$"},
      {"µ", "$\\mu$"},
      {"×", "$\\times$"},
      {"–", "--"},
      {"±", "$\\pm$"},
      {"≤", "$\\le$"},
      {"≥", "$\\ge$"},
      {"∞", "$\\infty$"},
      {"\n", " "},
      {"\r", " "},
      // After \\ a bracket would be read as an argument.
      {"[", "{[}"}};
  return replace(text, kTable);
}

std::string quote_shell(std::string_view text) {
  constexpr std::string_view kSafe =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./=:,+@%";
  if (!text.empty() && text.find_first_not_of(kSafe) == std::string_view::npos)
    return std::string(text);
  static constexpr std::pair<std::string_view, std::string_view> kTable[] = {{"'", "'\\''"}};
  return '\'' + replace(text, kTable) + '\'';
}

std::string escape_regex(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    if (std::string_view("\\^$.|?*+()[]{}").find(letter) != std::string_view::npos) out += '\\';
    out += letter;
  }
  return out;
}

std::string paint(std::string_view text, Colour colour, bool enabled) {
  if (!enabled) return std::string(text);
  const char* code = "0";
  switch (colour) {
    case Colour::red:
      code = "31";
      break;
    case Colour::green:
      code = "32";
      break;
    case Colour::yellow:
      code = "33";
      break;
    case Colour::blue:
      code = "34";
      break;
    case Colour::magenta:
      code = "35";
      break;
    case Colour::grey:
      code = "90";
      break;
    case Colour::bold:
      code = "1";
      break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string enumeration(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  return out;
}

std::string count_of(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace ashlar::report
