#pragma once
// Storage types of tensors. Arithmetic is done in float or double; 16-bit types only store.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace ashlar::core {

enum class DType : std::uint8_t { f64, f32, f16, bf16, i32 };

/// IEEE 754 binary16 as bits. Conversions round to nearest, ties to even (half.hpp).
struct Float16 {
  std::uint16_t bits = 0;
  bool operator==(const Float16&) const = default;
};

/// bfloat16 as bits: the upper half of a binary32. Conversions round to nearest, ties to even.
struct BFloat16 {
  std::uint16_t bits = 0;
  bool operator==(const BFloat16&) const = default;
};

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f16:
    case DType::bf16:
      return 2;
  }
  return 0;
}

constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "f64";
    case DType::f32:
      return "f32";
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
    case DType::i32:
      return "i32";
  }
  return "?";
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

/// Calls body.operator()<T>() for the C++ type of a floating-point storage type; throws
/// std::invalid_argument for the others.
template <class Body>
decltype(auto) visit_float_type(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f64:
      return body.template operator()<double>();
    case DType::f32:
      return body.template operator()<float>();
    case DType::f16:
      return body.template operator()<Float16>();
    case DType::bf16:
      return body.template operator()<BFloat16>();
    case DType::i32:
      break;
  }
  throw std::invalid_argument(std::string(name_of(dtype)) + " is not a floating-point type");
}

}  // namespace ashlar::core
