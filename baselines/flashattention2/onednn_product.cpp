#include "baselines/flashattention2/product_backends.hpp"

#include <stdexcept>

#ifdef ASHLAR_HAVE_ONEDNN
#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "impls/core/simd.hpp"
#endif

namespace ashlar::flashattention2::baselines::onednn {

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
                                      const MatrixLayout& c, Update update) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (update == Update::add) {
    dnnl::post_ops after;
    after.append_sum();
    attributes.set_post_ops(after);
  }
  constexpr bool kEmptyIfRefused = true;
  return {dnnl::matmul::desc(describe(a), describe(b), describe(c)), attributes, cpu_engine(),
          kEmptyIfRefused};
}

}  // namespace

std::optional<std::string> unsupported(DType dtype) {
  if (dtype != DType::f32 && dtype != DType::bf16) {
    return "oneDNN multiplies f32 and bf16 on a CPU, not " + std::string(name_of(dtype));
  }
  const MatrixLayout square{16, 16, 16, 1, dtype};
  if (!describe(square, square, {16, 16, 16, 1, DType::f32}, Update::replace)) {
    return "oneDNN has no " + std::string(name_of(dtype)) + " product for this CPU";
  }
  return std::nullopt;
}

std::optional<std::string> kernel() {
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

namespace {

class Product final : public MatrixProduct::Backend {
 public:
  Product(const MatrixLayout& a, const MatrixLayout& b, const MatrixLayout& c,
          const ProductPlan& plan, Update update)
      : threads_(plan.threads) {
    const ScopedThreads scope(threads_);
    const dnnl::matmul::primitive_desc description = describe(a, b, c, update);
    if (!description) throw std::runtime_error("oneDNN refuses a matrix product of these strides");
    primitive_ = dnnl::matmul(description);
    scratch_bytes_ = description.scratchpad_desc().get_size();
    for (int worker = 0; worker < plan.workers; ++worker) {
      const auto unbound = [](const dnnl::memory::desc& shape) {
        return dnnl::memory(shape, cpu_engine(), DNNL_MEMORY_NONE);
      };
      Call call{dnnl::stream(cpu_engine()),
                unbound(describe(a)),
                unbound(describe(b)),
                unbound(describe(c)),
                unbound(description.scratchpad_desc()),
                {}};
      call.arguments = {{DNNL_ARG_SRC, call.a},
                        {DNNL_ARG_WEIGHTS, call.b},
                        {DNNL_ARG_DST, call.c},
                        {DNNL_ARG_SCRATCHPAD, call.scratch}};
      calls_.push_back(std::move(call));
    }
  }

  std::size_t scratch_bytes() const override { return scratch_bytes_; }

  void multiply(int worker, const void* a, const void* b, void* c, void* scratch) override {
    const ScopedThreads scope(threads_);
    Call& call = calls_[static_cast<std::size_t>(worker)];
    // oneDNN's interface has no pointers to const; sources are only read.
    call.a.set_data_handle(const_cast<void*>(a));
    call.b.set_data_handle(const_cast<void*>(b));
    call.c.set_data_handle(c);
    call.scratch.set_data_handle(scratch);
    primitive_.execute(call.stream, call.arguments);
    call.stream.wait();
  }

 private:
  /// What one worker hands to the primitive: made once, the pointers change.
  struct Call {
    dnnl::stream stream;
    dnnl::memory a, b, c, scratch;
    std::unordered_map<int, dnnl::memory> arguments;
  };

  int threads_;
  std::size_t scratch_bytes_ = 0;
  dnnl::matmul primitive_;
  std::vector<Call> calls_;
};

}  // namespace

std::unique_ptr<MatrixProduct::Backend> make(const MatrixLayout& a, const MatrixLayout& b,
                                             const MatrixLayout& c, const ProductPlan& plan,
                                             Update update) {
  return std::make_unique<Product>(a, b, c, plan, update);
}

#else

std::optional<std::string> unsupported(core::DType) { return "built without oneDNN"; }
std::optional<std::string> kernel() { return std::nullopt; }

std::unique_ptr<MatrixProduct::Backend> make(const MatrixLayout&, const MatrixLayout&,
                                             const MatrixLayout&, const ProductPlan&, Update) {
  throw std::runtime_error("built without oneDNN");
}

#endif

}  // namespace ashlar::flashattention2::baselines::onednn
