#include "harness/report/gnuplot_script.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/sheet.hpp"
#include "harness/report/text_width.hpp"

namespace ashlar::report {

namespace {

/// A string in gnuplot's single quotes, where nothing but the quote itself is special.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char letter : text) {
    if (letter == '\'') out += '\'';
    out += letter == '\n' || letter == '\r' ? ' ' : letter;
  }
  return out + "'";
}

std::string coordinate(double value) { return fmt::format("{:.10g}", value); }

/// Lines drawn later are thinner and their points smaller, so that those below are not lost where
/// two coincide.
double thickness(std::size_t place) {
  return std::max(1.3, 2.3 - 0.18 * static_cast<double>(place));
}
double point_size(std::size_t place) {
  return std::max(0.6, 0.95 - 0.07 * static_cast<double>(place));
}

std::string line_style(const Style& style, double width = 1.8) {
  return fmt::format("lc rgb '{}' lw {:.2f} dt {}", style.colour, width, style.dash);
}

std::string point_style(const Style& style) {
  return fmt::format("lc rgb '{}' pt {} ps 0.75", style.colour, style.point);
}

std::string guide_style(Guide::Look look) {
  switch (look) {
    case Guide::Look::solid:
      return "lc rgb '#606060' lw 1.0 dt 1";
    case Guide::Look::dashed:
      return "lc rgb '#404040' lw 1.4 dt (8,5)";
    case Guide::Look::dotted:
      return "lc rgb '#7A7A7A' lw 1.3 dt (2,3)";
    case Guide::Look::dash_dotted:
      return "lc rgb '#7A7A7A' lw 1.3 dt (8,3,2,3)";
  }
  return "";
}

std::string header(const Page& page, const Sheet& sheet) {
  const double width = sheet.width();
  const double height = sheet.height();
  return fmt::format(
      "# {}\n# Drawn by `ashlar plot`. Change what you like and draw it again, in this folder:\n"
      "#   gnuplot {}.gp                     gives {}.svg\n"
      "#   gnuplot -e \"format='png'\" {}.gp   gives {}.png\n"
      "set encoding utf8\n"
      "if (!exists('format')) format = 'svg'\n"
      "if (format eq 'png') {{\n"
      "  set terminal pngcairo noenhanced size {:.0f},{:.0f} font 'DejaVu Sans,{}' fontscale 2 "
      "linewidth 2 pointscale 2.5 background rgb 'white'\n"
      "  set output {}\n"
      "  title_font = 'DejaVu Sans:Bold,{}'\n"
      "}} else {{\n"
      "  set terminal svg noenhanced size {:.0f},{:.0f} dynamic font 'DejaVu Sans,{}' "
      "fontscale {:.4f} background rgb 'white'\n"
      "  set output {}\n"
      "  title_font = ',{}'  # SVG would take ':Bold' for a part of the font's name\n"
      "}}\n",
      quoted(page.title), page.file, page.file, page.file, page.file, 2 * width, 2 * height,
      kPoints, quoted(page.file + ".png"), kTitlePoints, width, height, kPoints, kPixelsPerPoint,
      quoted(page.file + ".svg"), kTitlePoints);
}

std::string data(const Page& page) {
  std::string out;
  for (std::size_t p = 0; p < page.panels.size(); ++p) {
    const Panel& panel = page.panels[p];
    for (std::size_t s = 0; s < panel.series.size(); ++s) {
      out += fmt::format("$series_{}_{} << END  # {}: x, y, low, high\n", p, s,
                         quoted(panel.series[s].name));
      for (const Mark& mark : panel.series[s].marks)
        out += fmt::format("{:.8g} {:.8g} {:.8g} {:.8g}\n", mark.x, mark.y, mark.low, mark.high);
      out += "END\n";
    }
    for (std::size_t g = 0; g < panel.guides.size(); ++g) {
      out += fmt::format("$guide_{}_{} << END\n", p, g);
      for (const auto& [x, y] : panel.guides[g].points) out += fmt::format("{:.8g} {:.8g}\n", x, y);
      out += "END\n";
    }
  }
  return out;
}

std::string label(const std::string& text, double x, double y, const std::string& look) {
  return fmt::format("set label {} at screen {:.5f},{:.5f} {}\n", quoted(text), x, y, look);
}

/// Line, point and name of everything that any panel shows, each once.
std::string legend(const Page& page, const Sheet& sheet) {
  std::string out;
  std::vector<std::string> seen;
  double top = sheet.legend_top();
  const double left = sheet.legend_left();
  const auto entry = [&](const std::string& name, const std::string& line,
                         const std::string& point) {
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) return;
    seen.push_back(name);
    out += fmt::format("set arrow from screen {:.5f},{:.5f} to screen {:.5f},{:.5f} nohead {}\n",
                       sheet.x(left), sheet.y(top), sheet.x(left + 30), sheet.y(top), line);
    if (!point.empty()) out += label("", sheet.x(left + 15), sheet.y(top), "point " + point);
    out += label(name, sheet.x(left + 38), sheet.y(top), "left");
    top += kLine;
  };
  for (const Panel& panel : page.panels) {
    for (const Series& series : panel.series) {
      entry(series.name, line_style(series.style), page.bands ? "" : point_style(series.style));
    }
  }
  for (const Panel& panel : page.panels) {
    for (const Guide& guide : panel.guides) entry(guide.name, guide_style(guide.look), "");
  }
  return out;
}

/// The ticks whose labels do not touch: labels that would are left empty, the marks stay.
std::string x_ticks(const PlotAxis& axis, double pixels, bool labels) {
  std::vector<std::string> ticks;
  double free_from = -INFINITY;
  for (const Tick& tick : axis.ticks) {
    const double share = axis.log ? std::log(tick.at / axis.low) / std::log(axis.high / axis.low)
                                  : (tick.at - axis.low) / (axis.high - axis.low);
    const double half = 0.5 * text_width(tick.label, kText) + 3;
    const bool fits = share * pixels - half >= free_from;
    if (fits) free_from = share * pixels + half;
    ticks.push_back(
        fmt::format("{} {}", quoted(labels && fits ? tick.label : ""), coordinate(tick.at)));
  }
  return fmt::format("set xtics ({})\n", fmt::join(ticks, ", "));
}

std::string y_ticks(const PlotAxis& axis, bool labels) {
  std::vector<std::string> ticks;
  for (const Tick& tick : axis.ticks)
    ticks.push_back(fmt::format("{} {}", quoted(labels ? tick.label : ""), coordinate(tick.at)));
  return fmt::format("set ytics ({})\n", fmt::join(ticks, ", "));
}

std::string axes(const Page& page, const Panel& panel, const Sheet& sheet) {
  const bool lowest = sheet.lowest(panel);
  const bool first = panel.column == 0;
  std::string out = panel.x.log ? "set logscale x\n" : "unset logscale x\n";
  out += panel.y.log ? "set logscale y\n" : "unset logscale y\n";
  out += fmt::format("set xrange [{}:{}]\nset yrange [{}:{}]\n", coordinate(panel.x.low),
                     coordinate(panel.x.high), coordinate(panel.y.low), coordinate(panel.y.high));
  out += x_ticks(panel.x, sheet.panel_width(), lowest);
  out += y_ticks(panel.y, first || !page.shared_y);
  out += lowest ? fmt::format("set xlabel {} offset 0,0.5\n", quoted(panel.x.title))
                : "unset xlabel\n";
  out += panel.title.empty() ? "unset title\n"
                             : fmt::format("set title {} offset 0,-0.6\n", quoted(panel.title));
  return out;
}

/// As arrows with flat heads: 'with yerrorbars' wipes a disc around each point, and with it the
/// points and lines of others.
std::string error_bars(const std::string& name, const std::string& colour, const Sheet& sheet) {
  return fmt::format(
      "{} using 1:($4>$3?$3:NaN):(0):($4-$3) with vectors heads size screen {:.5f},90 fixed "
      "lc rgb '{}' lw 1.0",
      name, sheet.x(2.5), colour);
}

std::string plot(const Page& page, const Sheet& sheet, std::size_t p) {
  const Panel& panel = page.panels[p];
  std::vector<std::string> parts;
  for (std::size_t g = 0; g < panel.guides.size(); ++g) {
    parts.push_back(fmt::format("$guide_{}_{} using 1:2 with lines {}", p, g,
                                guide_style(panel.guides[g].look)));
  }
  for (std::size_t s = 0; s < panel.series.size(); ++s) {
    const Series& series = panel.series[s];
    const std::string name = fmt::format("$series_{}_{}", p, s);
    if (page.bands) {
      parts.push_back(
          fmt::format("{} using 1:3:4 with filledcurves lc rgb '{}' fs transparent "
                      "solid 0.18 noborder",
                      name, series.style.colour));
      const bool dot = series.marks.size() == 1;
      parts.push_back(fmt::format("{} using 1:2 with {} {}", name, dot ? "points" : "lines",
                                  dot ? point_style(series.style) : line_style(series.style)));
    } else {
      parts.push_back(error_bars(name, series.style.colour, sheet));
      if (panel.connected) {
        parts.push_back(fmt::format("{} using 1:2 with lines {}", name,
                                    line_style(series.style, thickness(s))));
      }
      parts.push_back(fmt::format("{} using 1:2 with points lc rgb '{}' pt {} ps {:.2f}", name,
                                  series.style.colour, series.style.point, point_size(s)));
    }
  }
  return fmt::format("plot {}\n", fmt::join(parts, ", \\\n     "));
}

std::string margins(const Panel& panel, const Sheet& sheet) {
  return fmt::format(
      "set lmargin at screen {:.5f}\nset rmargin at screen {:.5f}\n"
      "set tmargin at screen {:.5f}\nset bmargin at screen {:.5f}\n",
      sheet.x(sheet.left(panel)), sheet.x(sheet.right(panel)), sheet.y(sheet.top(panel)),
      sheet.y(sheet.bottom(panel)));
}

/// Titles, legend and notes belong to the page: they are set for the first panel only.
std::string page_texts(const Page& page, const Sheet& sheet) {
  const std::string small = fmt::format("left font ',{}' tc rgb '#606060'", kSmallPoints);
  std::string out = label(page.title, sheet.x(14), sheet.y(20), "left font title_font");
  out += label(page.subtitle, sheet.x(14), sheet.y(41), small);
  double top = sheet.notes_top();
  for (const std::string& note : sheet.notes()) {
    out += label(note, sheet.x(14), sheet.y(top), small);
    top += kLine;
  }
  // At a place that does not depend on the width of the tick labels.
  for (const YTitle& title : sheet.y_titles())
    out += label(title.text, sheet.x(16), sheet.y(title.middle), "center rotate by 90");
  return out + legend(page, sheet);
}

}  // namespace

std::string gnuplot_script(const Page& page) {
  const Sheet sheet(page);
  std::string out = header(page, sheet);
  out += data(page);
  out +=
      "set border 3 lc rgb '#404040'\nset tics nomirror out scale 0.5 textcolor rgb 'black'\n"
      "set grid x y back lt 1 lc rgb '#E6E6E6' lw 0.8\nunset key\n"
      "set multiplot\n";
  out += page_texts(page, sheet);
  for (std::size_t p = 0; p < page.panels.size(); ++p) {
    const Panel& panel = page.panels[p];
    out += fmt::format("\n# panel {}: {}\n", p, quoted(panel.title));
    out += margins(panel, sheet);
    out += axes(page, panel, sheet);
    out += plot(page, sheet, p);
    out += "unset label\nunset arrow\n";
  }
  return out + "unset multiplot\nunset output\n";
}

}  // namespace ashlar::report
