#pragma once
// cuDNN's graph interface, opened at run time: the binary starts where it is absent, and the peer
// says so.
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "baselines/flashattention2/cudnn_interface.hpp"

namespace ashlar::flashattention2::baselines::cudnn {

/// Why the library cannot be used: not there, or older than 9.10, the first that takes -infinity
/// for a hidden score. Nothing when it can. Asked once and remembered.
const std::optional<std::string>& missing();

template <class Value>
struct KindOf;
template <>
struct KindOf<std::int64_t> {
  static constexpr Kind value = Kind::int64;
};
template <>
struct KindOf<std::int32_t> {
  static constexpr Kind value = Kind::int32;
};
template <>
struct KindOf<bool> {
  static constexpr Kind value = Kind::boolean;
};
template <>
struct KindOf<char> {
  static constexpr Kind value = Kind::character;
};
template <>
struct KindOf<Type> {
  static constexpr Kind value = Kind::type;
};
template <>
struct KindOf<Pointwise> {
  static constexpr Kind value = Kind::pointwise;
};
template <>
struct KindOf<Reduction> {
  static constexpr Kind value = Kind::reduction;
};
template <>
struct KindOf<Heuristics> {
  static constexpr Kind value = Kind::heuristics;
};
template <>
struct KindOf<void*> {
  static constexpr Kind value = Kind::descriptor;
};

class Descriptor;

/// A handle on device 0 and a stream. Throws as Descriptor does.
class Handle {
 public:
  Handle();
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void set_stream(void* stream);
  void execute(const Descriptor& plan, const Descriptor& pack);
  void* raw() const { return raw_; }

 private:
  void* raw_ = nullptr;
  void* stream_ = nullptr;
};

/// An object of the interface: made, given attributes, finalized, and from then on only read.
/// Move-only. Every member throws std::runtime_error with cuDNN's own reason, std::bad_alloc for
/// want of memory.
class Descriptor {
 public:
  explicit Descriptor(Object type);
  Descriptor(Descriptor&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();

  template <class Value>
  Descriptor& set(Attribute name, const Value& value) {
    return set(name, KindOf<Value>::value, 1, &value);
  }
  template <class Value>
  Descriptor& set_all(Attribute name, std::span<const Value> values) {
    return set(name, KindOf<Value>::value, static_cast<std::int64_t>(values.size()), values.data());
  }
  Descriptor& set(Attribute name, const Descriptor& value) { return set(name, value.raw_); }
  /// Memory that the plan reads or writes.
  Descriptor& set_addresses(Attribute name, std::span<void* const> addresses) {
    return set(name, Kind::address, static_cast<std::int64_t>(addresses.size()), addresses.data());
  }
  Descriptor& set_handle(Attribute name, const Handle& handle) {
    void* const raw = handle.raw();
    return set(name, Kind::handle, 1, &raw);
  }
  Descriptor& finalize();

  std::int64_t integer(Attribute name) const;
  /// How many descriptors an attribute holds, and those; `into` are of the right type.
  std::int64_t count(Attribute name) const;
  std::int64_t get(Attribute name, std::span<void*> into) const;

  void* raw() const { return raw_; }

 private:
  Descriptor& set(Attribute name, Kind type, std::int64_t count, const void* values);

  void* raw_ = nullptr;
};

/// A device that is not here, by the description that cuDNN gives of it where it is.
Descriptor described_device(const std::string& description);

using Extents = std::array<std::int64_t, 4>;

/// A tensor of a graph; those that are not virtual are known by their number when the plan is
/// executed.
struct Tensor {
  void* raw = nullptr;
  Extents sizes{};
  Extents strides{};
};

Extents packed(const Extents& sizes);

/// Operations on tensors in the order in which they are added. Sums and functions are in float.
class Graph {
 public:
  Tensor stored(std::int64_t number, Type type, const Extents& sizes, const Extents& strides);
  /// One number, from the host's memory when the plan is executed.
  Tensor scalar(std::int64_t number, Type type);
  /// Lives within the graph.
  Tensor between(Type type, const Extents& sizes, const Extents& strides);
  Tensor between(const Extents& sizes) { return between(Type::f32, sizes, packed(sizes)); }

  void matmul(const Tensor& a, const Tensor& b, const Tensor& c);
  void reduce(Reduction operation, const Tensor& x, const Tensor& y);
  void reshape(const Tensor& x, const Tensor& y);
  void pointwise(Pointwise mode, const Tensor& x, const Tensor& y,
                 std::optional<Tensor> b = std::nullopt);
  /// The place of each element along an axis.
  void index(std::int64_t axis, const Tensor& x, const Tensor& y);
  /// x >= b, as truth values.
  void at_least(const Tensor& x, const Tensor& b, const Tensor& y);
  /// x where t, else b.
  void select(const Tensor& x, const Tensor& b, const Tensor& t, const Tensor& y);

  /// The graph as a whole, for a handle's device or any; nothing may be added any more.
  const Descriptor& finish(const Handle* handle = nullptr);

 private:
  Tensor tensor(std::int64_t number, Type type, const Extents& sizes, const Extents& strides,
                bool is_virtual, bool by_value);
  Descriptor pointwise_descriptor(Pointwise mode, Type type);
  void add(Descriptor operation);
  Descriptor& keep(Descriptor made);

  std::deque<Descriptor> kept_;  // what operations refer to
  std::deque<Descriptor> operations_;
  std::optional<Descriptor> graph_;
  std::int64_t next_between_ = 1'000'000;
};

/// Configurations of engines for the graph that cuDNN's heuristics propose and whose engines accept
/// it, the best first; none where no engine does. For a described device; without one, for that of
/// the graph's handle.
std::deque<Descriptor> engine_configurations(const Descriptor& graph, Heuristics mode,
                                             const Descriptor* device = nullptr);

/// The first plan for the handle's graph that can be built. Throws std::runtime_error with the
/// reason of the last one when there is none.
Descriptor make_plan(const Descriptor& graph, const Handle& handle);

}  // namespace ashlar::flashattention2::baselines::cudnn
