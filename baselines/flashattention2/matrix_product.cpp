#include "baselines/flashattention2/matrix_product.hpp"

#include <stdexcept>

#ifdef ASHLAR_HAVE_ONEDNN
#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "impls/core/simd.hpp"
#endif

namespace ashlar::flashattention2::baselines {

#ifdef ASHLAR_HAVE_ONEDNN

namespace {

using core::DType;

/// oneDNN asks OpenMP how many threads to use, both when a primitive is made and when it runs.
class ScopedThreads {
 public:
  explicit ScopedThreads(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~ScopedThreads() { omp_set_num_threads(before_); }
  ScopedThreads(const ScopedThreads&) = delete;
  ScopedThreads& operator=(const ScopedThreads&) = delete;

 private:
  int before_;
};

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine = [] {
    // Must precede every other call: one limit for our kernels and for the library's.
    if (core::usable_isa() == core::Isa::avx2) dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
    if (core::usable_isa() == core::Isa::avx512) {
      dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_vnni);
    }
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return engine;
}

dnnl::memory::desc describe(const MatrixLayout& layout) {
  const auto type =
      layout.dtype == DType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  return {{layout.rows, layout.columns}, type, {layout.row_stride, layout.column_stride}};
}

dnnl::matmul::primitive_desc describe(const MatrixLayout& a, const MatrixLayout& b,
                                      const MatrixLayout& c) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  constexpr bool kEmptyIfRefused = true;
  return {dnnl::matmul::desc(describe(a), describe(b), describe(c)), attributes, cpu_engine(),
          kEmptyIfRefused};
}

}  // namespace

std::optional<std::string> product_unsupported(DType dtype) {
  if (dtype != DType::f32 && dtype != DType::bf16) {
    return "oneDNN multiplies f32 and bf16 on a CPU, not " + std::string(name_of(dtype));
  }
  const MatrixLayout square{16, 16, 16, 1, dtype};
  if (!describe(square, square, {16, 16, 16, 1, DType::f32})) {
    return "oneDNN has no " + std::string(name_of(dtype)) + " product for this CPU";
  }
  return std::nullopt;
}

std::optional<std::string> product_kernel() {
  cpu_engine();  // applies the limit
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    default:
      return "below avx2";
  }
}

struct MatrixProduct::State {
  /// What one worker hands to the primitive: made once, the pointers change.
  struct Call {
    dnnl::stream stream;
    dnnl::memory a, b, c, scratch;
    std::unordered_map<int, dnnl::memory> arguments;
  };

  int threads;
  std::size_t scratch_bytes = 0;
  dnnl::matmul primitive;
  std::vector<Call> calls;
};

MatrixProduct::MatrixProduct(const MatrixLayout& a, const MatrixLayout& b, const MatrixLayout& c,
                             int threads, int workers)
    : state_(std::make_unique<State>()) {
  const ScopedThreads scope(threads);
  state_->threads = threads;
  const dnnl::matmul::primitive_desc description = describe(a, b, c);
  if (!description) throw std::runtime_error("oneDNN refuses a matrix product of these strides");
  state_->primitive = dnnl::matmul(description);
  state_->scratch_bytes = description.scratchpad_desc().get_size();
  for (int worker = 0; worker < workers; ++worker) {
    const auto unbound = [](const dnnl::memory::desc& shape) {
      return dnnl::memory(shape, cpu_engine(), DNNL_MEMORY_NONE);
    };
    State::Call call{dnnl::stream(cpu_engine()),
                     unbound(describe(a)),
                     unbound(describe(b)),
                     unbound(describe(c)),
                     unbound(description.scratchpad_desc()),
                     {}};
    call.arguments = {{DNNL_ARG_SRC, call.a},
                      {DNNL_ARG_WEIGHTS, call.b},
                      {DNNL_ARG_DST, call.c},
                      {DNNL_ARG_SCRATCHPAD, call.scratch}};
    state_->calls.push_back(std::move(call));
  }
}

std::size_t MatrixProduct::scratch_bytes() const { return state_->scratch_bytes; }

void MatrixProduct::operator()(int worker, const void* a, const void* b, void* c,
                               void* scratch) const {
  const ScopedThreads scope(state_->threads);
  State::Call& call = state_->calls[static_cast<std::size_t>(worker)];
  // oneDNN's interface has no pointers to const; sources are only read.
  call.a.set_data_handle(const_cast<void*>(a));
  call.b.set_data_handle(const_cast<void*>(b));
  call.c.set_data_handle(c);
  call.scratch.set_data_handle(scratch);
  state_->primitive.execute(call.stream, call.arguments);
  call.stream.wait();
}

#else

std::optional<std::string> product_unsupported(core::DType) { return "built without oneDNN"; }
std::optional<std::string> product_kernel() { return std::nullopt; }

struct MatrixProduct::State {};

MatrixProduct::MatrixProduct(const MatrixLayout&, const MatrixLayout&, const MatrixLayout&, int,
                             int) {
  throw std::runtime_error("built without oneDNN");
}

std::size_t MatrixProduct::scratch_bytes() const { return 0; }

void MatrixProduct::operator()(int, const void*, const void*, void*, void*) const {
  throw std::runtime_error("built without oneDNN");
}

#endif

MatrixProduct::MatrixProduct(MatrixProduct&&) noexcept = default;
MatrixProduct& MatrixProduct::operator=(MatrixProduct&&) noexcept = default;
MatrixProduct::~MatrixProduct() = default;

}  // namespace ashlar::flashattention2::baselines
