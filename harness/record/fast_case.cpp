#include "harness/record/fast_case.hpp"

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "harness/record/codec.hpp"
#include "harness/record/fields.hpp"
#include "harness/record/interner.hpp"

namespace ashlar::record::detail {

namespace od = simdjson::ondemand;

static_assert(FastCaseReader::kPadding >= simdjson::SIMDJSON_PADDING);

namespace {

/// By the definition, from the letters of a part of the line.
template <class T>
bool decoded(std::string_view raw, T& value) {
  const Json json = Json::parse(raw, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return false;
  try {
    decode(json, value);
  } catch (const std::invalid_argument&) {
    return false;
  }
  return true;
}

/// Values by the JSON that they were read from.
template <class T>
class Remembered {
 public:
  bool read(std::string_view raw, T& value) {
    auto it = known_.find(raw);
    if (it == known_.end()) {
      T fresh;
      if (!decoded(raw, fresh)) return false;
      it = known_.emplace(std::string(raw), std::move(fresh)).first;
    }
    value = it->second;
    return true;
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  std::unordered_map<std::string, T, Hash, std::equal_to<>> known_;
};

/// What stays from line to line.
struct Shared {
  Interner texts;
  std::vector<Text> last;  // per text field of a record: mostly the same again
  Remembered<Point> points;
  Remembered<Work> works;
};

/// An archive that reads the members of an object in the order of the fields. After the first
/// surprise it reads nothing more.
class LineReader {
 public:
  LineReader(od::object& object, Shared& shared) : shared_(shared) {
    good_ =
        object.begin().get(at_) == simdjson::SUCCESS && object.end().get(end_) == simdjson::SUCCESS;
  }

  template <class T>
  void operator()(const char* name, T& value) {
    if (!good_) return;
    good_ = false;
    if (at_ == end_) return;
    od::field member;
    if ((*at_).get(member) != simdjson::SUCCESS || !member.key().unsafe_is_equal(name)) return;
    od::value json = member.value();
    if (!read(json, value)) return;
    ++at_;
    good_ = true;
  }
  /// Every member was read, and there is no other.
  bool complete() { return good_ && at_ == end_; }

 private:
  static bool is(simdjson::error_code code) { return code == simdjson::SUCCESS; }

  bool read(od::value json, Text& value) {
    std::string_view letters;
    if (!is(json.get_string().get(letters))) return false;
    if (text_ == shared_.last.size()) shared_.last.emplace_back();
    Text& last = shared_.last[text_++];
    if (last.str() != letters) last = shared_.texts(letters);
    value = last;
    return true;
  }
  bool read(od::value json, std::string& value) {
    std::string_view letters;
    if (!is(json.get_string().get(letters))) return false;
    value.assign(letters);
    return true;
  }
  bool read(od::value json, std::int64_t& value) { return is(json.get_int64().get(value)); }
  bool read(od::value json, int& value) {
    std::int64_t wide = 0;
    if (!is(json.get_int64().get(wide)) || !std::in_range<int>(wide)) return false;
    value = static_cast<int>(wide);
    return true;
  }
  bool read(od::value json, Status& value) {
    std::string_view letters;
    if (!is(json.get_string().get(letters))) return false;
    const auto status = status_named(letters);
    if (status) value = *status;
    return status.has_value();
  }
  bool read(od::value json, Point& value) {
    std::string_view raw;
    return raw_object(json, raw) && shared_.points.read(raw, value);
  }
  bool read(od::value json, Work& value) {
    std::string_view raw;
    return raw_object(json, raw) && shared_.works.read(raw, value);
  }
  bool read(od::value json, Exit& value) {
    std::string_view raw;
    return raw_object(json, raw) && decoded(raw, value);
  }
  bool read(od::value json, std::map<std::string, double>& value) {
    std::string_view raw;
    return raw_object(json, raw) && (raw == "{}" || decoded(raw, value));
  }
  template <class T>
  bool read(od::value json, std::optional<T>& value) {
    bool null = false;
    if (!is(json.is_null().get(null))) return false;
    return null || read(json, value.emplace());
  }
  template <class T>
  bool read(od::value json, std::vector<T>& values) {
    od::array array;
    if (!is(json.get_array().get(array))) return false;
    // One allocation of the right size per record: there are millions.
    auto& buffer = buffer_of(values);
    buffer.clear();
    for (auto element : array) {
      od::value one;
      if (!is(element.get(one)) || !read(one, buffer.emplace_back())) return false;
    }
    values.assign(buffer.begin(), buffer.end());
    return true;
  }

  template <class T>
  static std::vector<T>& buffer_of(const std::vector<T>&) {
    static thread_local std::vector<T> buffer;
    return buffer;
  }
  bool raw_object(od::value& json, std::string_view& raw) {
    od::object object;
    return is(json.get_object().get(object)) && is(object.raw_json().get(raw));
  }

  Shared& shared_;
  od::object_iterator at_;
  od::object_iterator end_;
  std::size_t text_ = 0;
  bool good_ = false;
};

}  // namespace

struct FastCaseReader::State {
  od::parser parser;
  Shared shared;
};

FastCaseReader::FastCaseReader() : state_(std::make_unique<State>()) {}
FastCaseReader::~FastCaseReader() = default;

std::optional<CaseRecord> FastCaseReader::read(std::string_view line) {
  od::document document;
  od::object object;
  const std::size_t readable = line.size() + kPadding;
  if (state_->parser.iterate(line.data(), line.size(), readable).get(document) !=
          simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS)
    return std::nullopt;
  LineReader reader(object, state_->shared);
  int schema = 0;
  std::string kind;
  reader("schema", schema);
  reader("kind", kind);
  if (schema != kSchema || kind != "case") return std::nullopt;
  std::optional<CaseRecord> record(std::in_place);
  case_fields(reader, *record);
  // What follows the object would make the line bad.
  if (!reader.complete() || document.current_location().error() != simdjson::OUT_OF_BOUNDS)
    return std::nullopt;
  return record;
}

}  // namespace ashlar::record::detail
