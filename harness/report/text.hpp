#pragma once
// Text for terminals and files: display width, wrapping, escaping, colour.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::report {

/// How a table is written.
enum class Format { markdown, csv, latex, json };
std::string_view name_of(Format format);
/// Throws std::invalid_argument with the nearest known name.
Format parse_format(std::string_view text);

/// Columns that UTF-8 text takes on a terminal: code points, without combining marks and without
/// the escape sequences of colour.
std::size_t display_width(std::string_view text);

enum class Align { left, right };
/// Blanks up to `width` columns; longer text stays as it is.
std::string pad(std::string_view text, std::size_t width, Align align = Align::left);

/// Lines of at most `width` columns, broken at blanks; a word longer than a line stands alone.
/// Line breaks in the text are kept. Never empty: no text is one empty line.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

/// Bars and line breaks would end the cell of a Markdown table.
std::string escape_markdown(std::string_view text);
/// Quoted where the text holds a comma, a quote or a line break (RFC 4180).
std::string escape_csv(std::string_view text);
/// Plain ASCII LaTeX: special characters escaped, the few symbols of our tables as commands.
std::string escape_latex(std::string_view text);
/// One word of a POSIX shell command, quoted only when it must be.
std::string quote_shell(std::string_view text);
/// Text as a literal in an ECMAScript regular expression.
std::string escape_regex(std::string_view text);

enum class Colour { red, green, yellow, blue, magenta, grey, bold };
/// The text in colour, or as it is when `enabled` is false.
std::string paint(std::string_view text, Colour colour, bool enabled);

/// "a", "a and b", "a, b and c".
std::string enumeration(const std::vector<std::string>& names);

/// "1 point", "2 points".
std::string count_of(std::size_t count, std::string_view noun);

}  // namespace ashlar::report
