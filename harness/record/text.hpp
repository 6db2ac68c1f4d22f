#pragma once
// A text that many records share: a million case records name the same few runs, suites and cases,
// so each holds eight bytes and the reader makes one copy of the letters.
#include <concepts>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

namespace ashlar::record {

/// Immutable letters with shared ownership; converts to and from std::string. Copies may be used by
/// different threads.
class Text {
 public:
  Text() = default;
  Text(std::string text) {
    if (!text.empty()) body_ = new Body(std::move(text));
  }
  Text(std::string_view text) : Text(std::string(text)) {}
  Text(const char* text) : Text(std::string(text)) {}

  const std::string& str() const {
    static const std::string kEmpty;
    return body_ ? body_->text : kEmpty;
  }
  operator const std::string&() const { return str(); }
  operator std::string_view() const { return str(); }
  bool empty() const { return body_ == nullptr; }
  std::size_t size() const { return str().size(); }
  /// Equal for copies of one Text: a quick way to see that two are equal, not that they differ.
  const void* identity() const { return body_.get(); }

  friend bool operator==(const Text& a, const Text& b) {
    return a.body_ == b.body_ || a.str() == b.str();
  }
  template <class T>
  requires(std::convertible_to<const T&, std::string_view> && !std::same_as<T, Text>) friend bool
  operator==(const Text& a, const T& b) {
    return std::string_view(a.str()) == std::string_view(b);
  }
  friend std::ostream& operator<<(std::ostream& stream, const Text& text) {
    return stream << text.str();
  }
  friend bool operator<(const Text& a, const Text& b) {
    return a.body_ != b.body_ && a.str() < b.str();
  }

 private:
  struct Body : boost::intrusive_ref_counter<Body> {
    explicit Body(std::string letters) : text(std::move(letters)) {}
    std::string text;
  };
  boost::intrusive_ptr<const Body> body_;
};

}  // namespace ashlar::record

template <>
struct fmt::formatter<ashlar::record::Text> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const ashlar::record::Text& text, Context& context) const {
    return fmt::formatter<std::string_view>::format(text.str(), context);
  }
};
