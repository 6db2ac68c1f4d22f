// JUnit XML: what is right, what failed, and what became of the claims.
#include <algorithm>

#include <fmt/format.h>

#include "harness/report/export.hpp"
#include "harness/report/export_parts.hpp"
#include "harness/report/tables.hpp"

namespace ashlar::report {

using claims::Outcome;
using record::Status;

namespace {

/// Text of an element or an attribute. XML 1.0 has no place for most control characters, however
/// they are written: they become U+FFFD. Bytes that are no UTF-8 are replaced as well.
std::string escape_xml(std::string_view text) {
  const std::string valid =
      model::Json::parse(model::Json(std::string(text))
                             .dump(-1, ' ', false, model::Json::error_handler_t::replace))
          .get<std::string>();
  std::string out;
  for (const char letter : valid) {
    switch (letter) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\n':
        out += "&#10;";
        break;
      case '\t':
        out += "&#9;";
        break;
      default:
        if (static_cast<unsigned char>(letter) < 0x20) {
          out += "\xEF\xBF\xBD";
        } else {
          out += letter;
        }
    }
  }
  return out;
}

enum class Result { passed, failure, error, skipped };

struct TestCase {
  std::string name;
  double seconds = 0;
  Result result = Result::passed;
  std::string type;     // of what is not passed
  std::string message;  // one line
  std::string output;
};

struct TestSuite {
  std::string name;
  std::string timestamp;
  std::string hostname;
  std::vector<TestCase> cases;

  std::size_t count(Result result) const {
    return static_cast<std::size_t>(std::count_if(
        cases.begin(), cases.end(), [&](const TestCase& one) { return one.result == result; }));
  }
};

std::string element_of(const TestCase& one) {
  const char* tag = one.result == Result::failure ? "failure"
                    : one.result == Result::error ? "error"
                                                  : "skipped";
  std::string inside;
  if (one.result == Result::skipped)
    inside += fmt::format("      <skipped message=\"{}\"/>\n", escape_xml(one.message));
  else if (one.result != Result::passed)
    inside += fmt::format("      <{} type=\"{}\" message=\"{}\"/>\n", tag, escape_xml(one.type),
                          escape_xml(one.message));
  if (!one.output.empty())
    inside += fmt::format("      <system-out>{}</system-out>\n", escape_xml(one.output));
  return inside;
}

std::string text_of(const TestSuite& suite) {
  std::string out = fmt::format(
      "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
      escape_xml(suite.name), suite.cases.size(), suite.count(Result::failure),
      suite.count(Result::error), suite.count(Result::skipped));
  if (!suite.timestamp.empty())
    out += fmt::format(" timestamp=\"{}\"", escape_xml(suite.timestamp));
  if (!suite.hostname.empty()) out += fmt::format(" hostname=\"{}\"", escape_xml(suite.hostname));
  out += ">\n";
  for (const TestCase& one : suite.cases) {
    const std::string inside = element_of(one);
    out += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.9f}\"",
                       escape_xml(suite.name), escape_xml(one.name), one.seconds);
    out += inside.empty() ? "/>\n" : ">\n" + inside + "    </testcase>\n";
  }
  return out + "  </testsuite>\n";
}

void add_status(TestCase& one, Status status, const std::string& reason) {
  if (status == Status::ok) return;
  one.type = record::name_of(status);
  one.message = reason;
  const bool skipped = status == Status::unsupported || status == Status::dropped;
  one.result = status == Status::wrong ? Result::failure
               : skipped               ? Result::skipped
                                       : Result::error;
  if (skipped) one.message = one.type + ": " + reason;
}

/// The key after suite and experiment.
std::string short_name(const std::string& key, const Declared& declared) {
  const std::string start = declared.suite + '/' + declared.experiment + '/';
  return key.starts_with(start) ? key.substr(start.size()) : key;
}

TestSuite start_suite(const RunView& run, const Declared& declared) {
  TestSuite suite;
  suite.name = declared.suite + '.' + declared.experiment;
  if (run.run != nullptr) {
    suite.timestamp = run.run->started;
    suite.hostname = run.run->machine_id;
  }
  return suite;
}

TestSuite suite_of(const RunView& run, const TimedView& view, const record::RecordSet& records) {
  TestSuite suite = start_suite(run, view.declared);
  for (const Row& row : view.rows) {
    for (const Cell& cell : row.cells) {
      TestCase one;
      one.name = short_name(cell.key, view.declared);
      if (cell.time_ns) one.seconds = cell.time_ns->value * 1e-9;
      add_status(one, cell.status, cell.reason);
      suite.cases.push_back(std::move(one));
    }
  }
  for (const record::CheckRecord& check : records.checks) {
    if (!check.control || check.run_id != run.run_id || check.suite != view.declared.suite ||
        check.experiment != view.declared.experiment)
      continue;
    TestCase one;
    one.name = short_name(check.key, view.declared) + " (control)";
    if (check.accepted) {
      one.result = Result::failure;
      one.type = "accepted";
      one.message =
          fmt::format("the oracle '{}' accepts a broken implementation", check.oracle.str());
    }
    suite.cases.push_back(std::move(one));
  }
  return suite;
}

TestSuite suite_of(const RunView& run, const StudyView& view) {
  TestSuite suite = start_suite(run, view.declared);
  for (const StudyRow& row : view.rows) {
    for (const StudyCell& cell : row.cells) {
      TestCase one;
      one.name = short_name(cell.key, view.declared);
      add_status(one, cell.status, cell.reason);
      suite.cases.push_back(std::move(one));
    }
  }
  return suite;
}

TestSuite suite_of(const Judged& judged) {
  TestSuite suite;
  suite.name = judged.file.suite + ".claims";
  for (std::size_t i = 0; i < judged.verdicts.size(); ++i) {
    const claims::Verdict& verdict = judged.verdicts[i];
    TestCase one;
    one.name = verdict.id;
    const std::string outcome(claims::name_of(verdict.outcome));
    const std::string text = verdict.reason.empty() ? outcome : outcome + ": " + verdict.reason;
    switch (verdict.outcome) {
      case Outcome::contradicted:
        if (verdict.required) {
          one.result = Result::failure;
          one.type = outcome;
          one.message = text;
          break;
        }
        [[fallthrough]];
      case Outcome::reproduced:
      case Outcome::direction_only:
        one.output = text;
        break;
      case Outcome::inconclusive:
      case Outcome::not_run:
      case Outcome::out_of_reach:
        one.result = Result::skipped;
        one.message = text;
    }
    suite.cases.push_back(std::move(one));
  }
  return suite;
}

}  // namespace

std::string export_junit(const record::RecordSet& records, const std::vector<Judged>& judged,
                         const Filter& filter) {
  std::vector<TestSuite> suites;
  for (const RunView& run : exported(records, filter)) {
    for (const TimedView& view : run.timed) suites.push_back(suite_of(run, view, records));
    for (const StudyView& view : run.studies) suites.push_back(suite_of(run, view));
  }
  for (const Judged& one : judged) suites.push_back(suite_of(one));
  std::size_t tests = 0, failures = 0, errors = 0;
  std::string inside;
  for (const TestSuite& suite : suites) {
    tests += suite.cases.size();
    failures += suite.count(Result::failure);
    errors += suite.count(Result::error);
    inside += text_of(suite);
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ashlar\" tests=\"{}\" "
      "failures=\"{}\" errors=\"{}\">\n{}</testsuites>\n",
      tests, failures, errors, inside);
}

}  // namespace ashlar::report
