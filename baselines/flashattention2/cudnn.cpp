#include "baselines/flashattention2/cudnn.hpp"

#include <new>
#include <stdexcept>
#include <vector>

#include "impls/core/cuda/library.hpp"

namespace ashlar::flashattention2::baselines::cudnn {
namespace {

constexpr std::size_t kOldest = 91000;

struct Functions {
  std::size_t (*version)();
  const char* (*status_text)(Status status);
  void (*last_error)(char* text, std::size_t bytes);
  Status (*create_handle)(void** handle);
  Status (*destroy_handle)(void* handle);
  Status (*set_stream)(void* handle, void* stream);
  Status (*create)(Object type, void** descriptor);
  Status (*destroy)(void* descriptor);
  Status (*finalize)(void* descriptor);
  Status (*set)(void* descriptor, Attribute name, Kind kind, std::int64_t count,
                const void* values);
  Status (*get)(void* descriptor, Attribute name, Kind kind, std::int64_t asked,
                std::int64_t* count, void* values);
  Status (*execute)(void* handle, void* plan, void* pack);
};

struct Library {
  std::optional<std::string> missing;
  const core::cuda::DynamicLibrary* file = nullptr;  // never deleted, so never closed
  Functions call{};
};

/// The graph interface's own library first: the other one opens half a gigabyte more.
Library open() {
  Library opened;
  try {
    opened.file = new core::cuda::DynamicLibrary({"libcudnn_graph.so.9", "libcudnn.so.9",
                                                  "/usr/local/cuda/lib64/libcudnn_graph.so.9",
                                                  "/usr/local/cuda/lib64/libcudnn.so.9"});
    const auto find = [&opened]<class Function>(Function& function, const char* symbol) {
      function = opened.file->template function<Function>(symbol);
    };
    find(opened.call.version, "cudnnGetVersion");
    find(opened.call.status_text, "cudnnGetErrorString");
    find(opened.call.last_error, "cudnnGetLastErrorString");
    find(opened.call.create_handle, "cudnnCreate");
    find(opened.call.destroy_handle, "cudnnDestroy");
    find(opened.call.set_stream, "cudnnSetStream");
    find(opened.call.create, "cudnnBackendCreateDescriptor");
    find(opened.call.destroy, "cudnnBackendDestroyDescriptor");
    find(opened.call.finalize, "cudnnBackendFinalize");
    find(opened.call.set, "cudnnBackendSetAttribute");
    find(opened.call.get, "cudnnBackendGetAttribute");
    find(opened.call.execute, "cudnnBackendExecute");
    const std::size_t version = opened.call.version();
    if (version < kOldest) {
      opened.missing = "cuDNN " + std::to_string(version / 10000) + "." +
                       std::to_string(version / 100 % 100) + " is older than 9.10";
    }
  } catch (const std::runtime_error& error) {
    opened.missing = std::string("no cuDNN: ") + error.what();
  }
  return opened;
}

const Library& library() {
  static const Library opened = open();
  return opened;
}

const Functions& call() {
  if (library().missing) throw std::runtime_error(*library().missing);
  return library().call;
}

void check(Status status, const std::string& what) {
  if (status == Status::success) return;
  if (status == Status::allocation_failed) throw std::bad_alloc();
  char reason[1024] = {};
  library().call.last_error(reason, sizeof reason - 1);
  std::string text = reason;
  text = text.substr(0, text.find('\n'));
  throw std::runtime_error("cuDNN, " + what + ": " + library().call.status_text(status) +
                           (text.empty() ? "" : ": " + text));
}

std::string named(const char* what, Attribute name) {
  return std::string(what) + " attribute " + std::to_string(static_cast<int>(name));
}

}  // namespace

const std::optional<std::string>& missing() { return library().missing; }

Descriptor::Descriptor(Object type) {
  check(call().create(type, &raw_), "making descriptor " + std::to_string(static_cast<int>(type)));
}

Descriptor::~Descriptor() {
  if (raw_ != nullptr) library().call.destroy(raw_);
}

Descriptor& Descriptor::set(Attribute name, Kind type, std::int64_t count, const void* values) {
  check(call().set(raw_, name, type, count, values), named("setting", name));
  return *this;
}

Descriptor& Descriptor::finalize() {
  check(call().finalize(raw_), "finalizing");
  return *this;
}

std::int64_t Descriptor::integer(Attribute name) const {
  std::int64_t value = 0;
  std::int64_t count = 0;
  check(call().get(raw_, name, Kind::int64, 1, &count, &value), named("getting", name));
  return value;
}

std::int64_t Descriptor::count(Attribute name) const { return get(name, {}); }

std::int64_t Descriptor::get(Attribute name, std::span<void*> into) const {
  std::int64_t count = 0;
  check(call().get(raw_, name, Kind::descriptor, static_cast<std::int64_t>(into.size()), &count,
                   into.empty() ? nullptr : into.data()),
        named("getting", name));
  return count;
}

Handle::Handle() { check(call().create_handle(&raw_), "cudnnCreate"); }

Handle::~Handle() { library().call.destroy_handle(raw_); }

void Handle::set_stream(void* stream) {
  if (stream == stream_) return;  // a new handle has the default stream, null
  check(call().set_stream(raw_, stream), "cudnnSetStream");
  stream_ = stream;
}

void Handle::execute(const Descriptor& plan, const Descriptor& pack) {
  check(call().execute(raw_, plan.raw(), pack.raw()), "executing");
}

Descriptor described_device(const std::string& description) {
  Descriptor device(Object::device);
  device.set_all(Attribute::device_json_representation, std::span<const char>(description))
      .finalize();
  return device;
}

Extents packed(const Extents& sizes) {
  return {sizes[1] * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3], 1};
}

Tensor Graph::tensor(std::int64_t number, Type type, const Extents& sizes, const Extents& strides,
                     bool is_virtual, bool by_value) {
  constexpr std::int64_t kAlignment = 16;  // bytes
  Descriptor& made = keep(Descriptor(Object::tensor));
  made.set(Attribute::tensor_data_type, type)
      .set_all(Attribute::tensor_dimensions, std::span<const std::int64_t>(sizes))
      .set_all(Attribute::tensor_strides, std::span<const std::int64_t>(strides))
      .set(Attribute::tensor_unique_id, number)
      .set(Attribute::tensor_byte_alignment, kAlignment)
      .set(Attribute::tensor_is_virtual, is_virtual)
      .set(Attribute::tensor_is_by_value, by_value)
      .finalize();
  return {made.raw(), sizes, strides};
}

Tensor Graph::stored(std::int64_t number, Type type, const Extents& sizes, const Extents& strides) {
  return tensor(number, type, sizes, strides, false, false);
}

Tensor Graph::scalar(std::int64_t number, Type type) {
  constexpr Extents kOne = {1, 1, 1, 1};
  return tensor(number, type, kOne, kOne, false, true);
}

Tensor Graph::between(Type type, const Extents& sizes, const Extents& strides) {
  return tensor(next_between_++, type, sizes, strides, true, false);
}

void Graph::matmul(const Tensor& a, const Tensor& b, const Tensor& c) {
  Descriptor& how = keep(Descriptor(Object::matmul));
  how.set(Attribute::matmul_comp_type, Type::f32).finalize();
  Descriptor operation(Object::operation_matmul);
  operation.set(Attribute::operation_matmul_adesc, a.raw)
      .set(Attribute::operation_matmul_bdesc, b.raw)
      .set(Attribute::operation_matmul_cdesc, c.raw)
      .set(Attribute::operation_matmul_desc, how);
  add(std::move(operation));
}

void Graph::reduce(Reduction reduction, const Tensor& x, const Tensor& y) {
  Descriptor& how = keep(Descriptor(Object::reduction));
  how.set(Attribute::reduction_comp_type, Type::f32)
      .set(Attribute::reduction_operator, reduction)
      .finalize();
  Descriptor operation(Object::operation_reduction);
  operation.set(Attribute::operation_reduction_xdesc, x.raw)
      .set(Attribute::operation_reduction_ydesc, y.raw)
      .set(Attribute::operation_reduction_desc, how);
  add(std::move(operation));
}

void Graph::reshape(const Tensor& x, const Tensor& y) {
  Descriptor operation(Object::operation_reshape);
  operation.set(Attribute::operation_reshape_xdesc, x.raw)
      .set(Attribute::operation_reshape_ydesc, y.raw);
  add(std::move(operation));
}

/// An operation on elements that still lacks its tensors.
Descriptor Graph::pointwise_descriptor(Pointwise mode, Type type) {
  Descriptor& how = keep(Descriptor(Object::pointwise));
  how.set(Attribute::pointwise_mode, mode).set(Attribute::pointwise_math_prec, type).finalize();
  Descriptor operation(Object::operation_pointwise);
  operation.set(Attribute::operation_pointwise_pw_descriptor, how);
  return operation;
}

void Graph::pointwise(Pointwise mode, const Tensor& x, const Tensor& y, std::optional<Tensor> b) {
  Descriptor operation = pointwise_descriptor(mode, Type::f32);
  operation.set(Attribute::operation_pointwise_xdesc, x.raw);
  if (b) operation.set(Attribute::operation_pointwise_bdesc, b->raw);
  operation.set(Attribute::operation_pointwise_ydesc, y.raw);
  add(std::move(operation));
}

void Graph::index(std::int64_t axis, const Tensor& x, const Tensor& y) {
  Descriptor& how = keep(Descriptor(Object::pointwise));
  how.set(Attribute::pointwise_mode, Pointwise::index)
      .set(Attribute::pointwise_math_prec, Type::f32)
      .set(Attribute::pointwise_axis, axis)
      .finalize();
  Descriptor operation(Object::operation_pointwise);
  operation.set(Attribute::operation_pointwise_pw_descriptor, how)
      .set(Attribute::operation_pointwise_xdesc, x.raw)
      .set(Attribute::operation_pointwise_ydesc, y.raw);
  add(std::move(operation));
}

void Graph::at_least(const Tensor& x, const Tensor& b, const Tensor& y) {
  Descriptor operation = pointwise_descriptor(Pointwise::at_least, Type::boolean);
  operation.set(Attribute::operation_pointwise_xdesc, x.raw)
      .set(Attribute::operation_pointwise_bdesc, b.raw)
      .set(Attribute::operation_pointwise_ydesc, y.raw);
  add(std::move(operation));
}

void Graph::select(const Tensor& x, const Tensor& b, const Tensor& t, const Tensor& y) {
  Descriptor operation = pointwise_descriptor(Pointwise::select, Type::f32);
  operation.set(Attribute::operation_pointwise_xdesc, x.raw)
      .set(Attribute::operation_pointwise_bdesc, b.raw)
      .set(Attribute::operation_pointwise_tdesc, t.raw)
      .set(Attribute::operation_pointwise_ydesc, y.raw);
  add(std::move(operation));
}

void Graph::add(Descriptor operation) {
  operation.finalize();
  operations_.push_back(std::move(operation));
}

Descriptor& Graph::keep(Descriptor made) { return kept_.emplace_back(std::move(made)); }

const Descriptor& Graph::finish(const Handle* handle) {
  std::vector<void*> all;
  for (const Descriptor& operation : operations_) all.push_back(operation.raw());
  graph_.emplace(Object::operation_graph);
  graph_->set_all(Attribute::operation_graph_ops, std::span<void* const>(all));
  if (handle != nullptr) graph_->set_handle(Attribute::operation_graph_handle, *handle);
  graph_->finalize();
  return *graph_;
}

std::deque<Descriptor> engine_configurations(const Descriptor& graph, Heuristics mode,
                                             const Descriptor* device) {
  Descriptor heuristics(Object::heuristics);
  heuristics.set(Attribute::heuristics_operation_graph, graph)
      .set(Attribute::heuristics_mode, mode);
  if (device != nullptr) heuristics.set(Attribute::heuristics_device, *device);
  heuristics.finalize();
  std::deque<Descriptor> configurations;
  std::vector<void*> raw;
  for (std::int64_t left = heuristics.count(Attribute::heuristics_results); left > 0; --left) {
    raw.push_back(configurations.emplace_back(Object::engine_config).raw());
  }
  if (raw.empty()) return configurations;
  const std::int64_t got = heuristics.get(Attribute::heuristics_results, raw);
  while (static_cast<std::int64_t>(configurations.size()) > got) configurations.pop_back();
  return configurations;
}

Descriptor make_plan(const Descriptor& graph, const Handle& handle) {
  std::string why = "no engine of cuDNN takes the graph";
  for (const Heuristics mode : {Heuristics::a, Heuristics::fallback}) {
    try {
      for (const Descriptor& configuration : engine_configurations(graph, mode)) {
        try {
          Descriptor plan(Object::execution_plan);
          plan.set(Attribute::execution_plan_engine_config, configuration)
              .set_handle(Attribute::execution_plan_handle, handle)
              .finalize();
          return plan;
        } catch (const std::runtime_error& error) {
          why = error.what();
        }
      }
    } catch (const std::runtime_error& error) {
      why = error.what();
    }
  }
  throw std::runtime_error(why);
}

}  // namespace ashlar::flashattention2::baselines::cudnn
