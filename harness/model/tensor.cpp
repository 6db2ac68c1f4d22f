#include "harness/model/tensor.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "harness/model/value.hpp"

namespace ashlar::model {

namespace {

constexpr std::pair<ElementType, std::string_view> kNames[] = {
    {ElementType::f64, "f64"},   {ElementType::f32, "f32"}, {ElementType::f16, "f16"},
    {ElementType::bf16, "bf16"}, {ElementType::i32, "i32"}, {ElementType::i64, "i64"}};

// The harness has its own widening of binary16: it links none of the implementations' code, so that
// a mistake in theirs cannot hide in the check.
double half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const int mantissa = bits & 0x3ff;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 0x1f) return mantissa != 0 ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

template <class T>
T load(const void* data, std::int64_t index) {
  T value;
  std::memcpy(&value,
              static_cast<const std::byte*>(data) + index * static_cast<std::int64_t>(sizeof(T)),
              sizeof(T));
  return value;
}

}  // namespace

std::size_t size_of(ElementType type) {
  switch (type) {
    case ElementType::f64:
    case ElementType::i64:
      return 8;
    case ElementType::f32:
    case ElementType::i32:
      return 4;
    case ElementType::f16:
    case ElementType::bf16:
      return 2;
  }
  return 0;
}

std::string_view name_of(ElementType type) {
  for (const auto& [known, name] : kNames) {
    if (known == type) return name;
  }
  return "?";
}

ElementType element_type(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [type, known] : kNames) {
    if (known == name) return type;
    names.emplace_back(known);
  }
  throw std::invalid_argument("unknown element type '" + std::string(name) + "'" +
                              suggestion(name, names));
}

std::int64_t TensorView::size() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

double TensorView::value(std::int64_t index) const {
  switch (type) {
    case ElementType::f64:
      return load<double>(data, index);
    case ElementType::f32:
      return load<float>(data, index);
    case ElementType::f16:
      return half_value(load<std::uint16_t>(data, index));
    case ElementType::bf16:
      return std::bit_cast<float>(static_cast<std::uint32_t>(load<std::uint16_t>(data, index))
                                  << 16);
    case ElementType::i32:
      return load<std::int32_t>(data, index);
    case ElementType::i64:
      return static_cast<double>(load<std::int64_t>(data, index));
  }
  return std::nan("");
}

void poison(const TensorView& tensor) {
  if (tensor.bytes() > 0) std::memset(tensor.data, 0xFF, tensor.bytes());
}

}  // namespace ashlar::model
