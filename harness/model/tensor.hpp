#pragma once
// Tensors as the harness sees them: named, contiguous, on the host. Implementations own the memory.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::model {

enum class ElementType : std::uint8_t { f64, f32, f16, bf16, i32, i64 };

std::size_t size_of(ElementType type);
std::string_view name_of(ElementType type);
/// Throws std::invalid_argument with the known names.
ElementType element_type(std::string_view name);

struct TensorView {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;  // row-major, contiguous
  void* data = nullptr;

  std::int64_t size() const;
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * size_of(type); }
  /// Element as double, whatever the storage type.
  double value(std::int64_t index) const;
};

/// Fills a tensor with 0xFF bytes: NaN in every floating-point type, -1 in integers.
void poison(const TensorView& tensor);

/// A tensor that owns its memory: what is read from a file.
struct OwnedTensor {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;

  TensorView view() { return {name, type, shape, bytes.data()}; }
};

}  // namespace ashlar::model
