#pragma once
// Test support: what a Hopper multiprocessor adds to the CPU model of a thread block: mbarriers,
// bulk tensor copies, named barriers of two warpgroups, and wgmma on matrix descriptors. Layouts
// are those of the PTX manual, written here independently of the kernel's index maps.
//
// Whatever is asynchronous is checked for being waited for. A box that is on its way leaves NaN
// where it will be, and arrives at once or (in falling order) as late as can be, the last first.
// Accumulators in flight are NaN; products read their operands when they are started, and again
// when they are waited for: an operand that has changed in between is an error, in shared memory
// and in registers.
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <vector>

#include "impls/flashattention2/cuda_machine_model.hpp"
#include "impls/flashattention2/cuda_wgmma_math.hpp"

namespace ashlar::flashattention2::kernel {

class WgmmaModel : public BlockModel {
 public:
  /// B of one product, 16 rows of `columns` elements; or A, 64 columns of it, where it lies in
  /// shared memory.
  struct Operand16 {
    std::uint64_t descriptor;
    bool width_major;  // element (k, n) lies at row k, not at row n
    std::vector<std::uint16_t> bits;
    std::vector<float> values;
  };

  WgmmaModel(int threads, int shared_bytes, const GridIndex& index, unsigned blocks, bool falling)
      : BlockModel(threads, shared_bytes, index, falling), blocks_(blocks) {}

  unsigned blocks() const { return blocks_; }

  void init(int barrier, int count) {
    if (barrier % kMbarrierBytes != 0) throw std::logic_error("a barrier is not aligned");
    barriers_[barrier] = {count, count, 0, 0};
  }
  void arrive(int barrier, std::int64_t bytes) {
    Mbarrier& b = barriers_.at(barrier);
    if (b.pending == 0) throw std::logic_error("more arrive at a barrier than it waits for");
    --b.pending;
    b.bytes += bytes;
    complete(b);
  }
  void wait(int barrier, int parity, int thread) {
    const Mbarrier& b = barriers_.at(barrier);
    while (b.phase % 2 == parity) pause(thread);
  }

  void copy_box(const BoxTensor& tensor, int to, int barrier, const std::array<int, 4>& place) {
    if (to % kSwizzleAtomBytes != 0) throw std::logic_error("a box is not aligned to 1024 bytes");
    std::memset(at(to, tensor.box_rows * kSwizzleRowBytes), 0xff,
                static_cast<std::size_t>(tensor.box_rows) * kSwizzleRowBytes);
    boxes_.push_back({tensor, to, barrier, place});
    if (!falling()) land();
  }

  /// Threads of both warpgroups together.
  void pair(int id, int thread, bool waits) {
    NamedBarrier& b = named_[id];
    const std::int64_t generation = b.generation;
    if (++b.arrived == 2 * kWarpgroupSize) {
      b.arrived = 0;
      ++b.generation;
    }
    note_event();
    while (waits && b.generation == generation) pause(thread);
  }

  /// The operand of a warpgroup's product number `index`: gathered by the first of its threads.
  std::shared_ptr<const Operand16> operand(int warpgroup, std::int64_t index,
                                           std::uint64_t descriptor, int columns, bool width_major,
                                           float (*value)(std::uint16_t)) {
    auto& all = operands_[{warpgroup, index}];
    if (!all) {
      all = std::make_shared<Operand16>(
          Operand16{descriptor, width_major, gather(descriptor, columns, width_major), {}});
      for (const std::uint16_t bits : all->bits) all->values.push_back(value(bits));
    }
    if (all->descriptor != descriptor) {
      throw std::logic_error("the threads of a warpgroup name different matrices");
    }
    return all;
  }
  bool unchanged(const Operand16& operand) {
    return gather(operand.descriptor, static_cast<int>(operand.bits.size()) / 16,
                  operand.width_major) == operand.bits;
  }

 protected:
  bool idle() override {
    if (boxes_.empty()) return false;
    land();
    return true;
  }

 private:
  struct Mbarrier {
    int count = 0;
    int pending = 0;
    std::int64_t bytes = 0;
    int phase = 0;
  };
  struct NamedBarrier {
    int arrived = 0;
    std::int64_t generation = 0;
  };
  struct Box {
    BoxTensor tensor;
    int to;
    int barrier;
    std::array<int, 4> place;  // element, row, head, sequence
  };

  unsigned char* at(int offset, int bytes) {
    if (offset < 0 || offset + bytes > static_cast<int>(shared().size())) {
      throw std::out_of_range("shared address " + std::to_string(offset));
    }
    return shared().data() + offset;
  }

  void complete(Mbarrier& b) {
    note_event();
    if (b.pending != 0 || b.bytes != 0) return;
    b.pending = b.count;
    ++b.phase;
  }

  /// Rows and elements beyond the tensor's are zeros. The 16 bytes of chunk c of row r lie where
  /// bits 4 to 6 of their address are XORed with bits 7 to 9.
  void land() {
    const Box box = boxes_.back();
    boxes_.pop_back();
    const BoxTensor& t = box.tensor;
    const auto [element, first, head, sequence] = box.place;
    for (int r = 0; r < t.box_rows; ++r) {
      for (int e = 0; e < kBoxElements; ++e) {
        std::uint16_t bits = 0;
        if (first + r < t.rows && element + e < t.head_dim) {
          bits = t.data[sequence * t.strides.batch + head * t.strides.head +
                        (first + r) * t.strides.row + element + e];
        }
        std::memcpy(at(swizzled(box.to + r * 128 + 2 * e), 2), &bits, 2);
      }
    }
    Mbarrier& b = barriers_.at(box.barrier);
    b.bytes -= std::int64_t{t.box_rows} * 128;
    complete(b);
  }

  static int swizzled(int address) { return address ^ ((address >> 7 & 7) << 4); }

  /// 16 rows of depth; element (k, n) at [16 n + k].
  std::vector<std::uint16_t> gather(std::uint64_t descriptor, int columns, bool width_major) {
    if (descriptor >> 62 != 1) throw std::logic_error("a matrix is not swizzled by 128 bytes");
    const auto field = [descriptor](int shift) {
      return static_cast<int>(descriptor >> shift & 0x3fff) * 16;
    };
    const int start = field(0);
    const int leading = field(16);
    const int stride = field(32);
    std::vector<std::uint16_t> bits(static_cast<std::size_t>(16 * columns));
    for (int n = 0; n < columns; ++n) {
      for (int k = 0; k < 16; ++k) {
        const int address =
            width_major ? start + n / 64 * leading + k / 8 * stride + k % 8 * 128 + n % 64 * 2
                        : start + n / 8 * stride + n % 8 * 128 + 2 * k;
        std::memcpy(&bits[static_cast<std::size_t>(16 * n + k)], at(swizzled(address), 2), 2);
      }
    }
    return bits;
  }

  unsigned blocks_;
  std::map<int, Mbarrier> barriers_;
  std::map<int, NamedBarrier> named_;
  std::vector<Box> boxes_;
  std::map<std::pair<int, std::int64_t>, std::shared_ptr<Operand16>> operands_;
};

/// What one thread sees: the Machine of cuda_wgmma_block.hpp.
template <class Element>
class WgmmaThread : public ModelThread<Element> {
  using Base = ModelThread<Element>;

 public:
  using TensorMap = BoxTensor;
  using Maps = WgmmaTensors;
  struct BoxPlace {
    int element, row, head, sequence;
  };

  WgmmaThread(WgmmaModel& model, int thread) : Base(model, thread), model_(model) {}

  unsigned blocks() const { return model_.blocks(); }
  std::uint32_t address(int offset) const { return static_cast<std::uint32_t>(offset); }
  std::uint32_t shuffle_word_xor(std::uint32_t word, int mask) {
    BlockModel::Operand operand{};
    operand.word[0] = word;
    const auto other = static_cast<unsigned>(lane()) ^ static_cast<unsigned>(mask);
    return model_.exchange(Base::thread(), operand)[other].word[0];
  }
  void store_word(int to, int value) { Base::store_pair(to, static_cast<std::uint32_t>(value)); }
  int load_word(int from) {
    const float value = Base::load_float(from);
    int word = 0;
    std::memcpy(&word, &value, sizeof(word));
    return word;
  }

  void init(int barrier, int count) { model_.init(barrier, count); }
  void share_barriers() {}
  void arrive(int barrier) { model_.arrive(barrier, 0); }
  void expect(int barrier, int bytes) { model_.arrive(barrier, bytes); }
  void wait(int barrier, int parity) { model_.wait(barrier, parity, Base::thread()); }
  void copy_box(const BoxTensor& map, int to, int barrier, const BoxPlace& p) {
    model_.copy_box(map, to, barrier, {p.element, p.row, p.head, p.sequence});
  }
  void sync_pair(int id) { model_.pair(id, Base::thread(), true); }
  void arrive_pair(int id) { model_.pair(id, Base::thread(), false); }

  template <class Number, int Count>
  void settle(Number (&)[Count]) {}
  template <int Count>
  void begin_products(float (&)[Count]) {
    begun_ = true;
  }
  template <int Columns>
  void multiply_shared(float (&c)[Columns / 2], std::uint64_t a, std::uint64_t b, bool accumulate) {
    Product product = started<Columns>(c, b, false, accumulate);
    product.left = model_.operand(warpgroup(), products_++, a, 64, false, value_of);
    const int first = Base::thread() / kWarpSize % 4 * 16 + lane() / 4;
    for (int h = 0; h < 2; ++h) {
      for (int k = 0; k < 16; ++k) {
        product.rows[h][k] =
            product.left->values[static_cast<std::size_t>(16 * (first + 8 * h) + k)];
      }
    }
    flying_.push_back(std::move(product));
  }
  template <int Columns>
  void multiply_registers(float (&c)[Columns / 2], const Fragment& a, std::uint64_t b) {
    Product product = started<Columns>(c, b, true, true);
    product.fragment = &a;
    product.words = a;
    const auto& lanes =
        model_.exchange(Base::thread(), {{a.word[0], a.word[1], a.word[2], a.word[3], 0, 0}});
    for (int h = 0; h < 2; ++h) {
      for (int k = 0; k < 16; ++k) {
        const auto other = static_cast<std::size_t>(lane() / 4 * 4 + k % 8 / 2);
        const std::uint32_t pair = lanes[other].word[h + 2 * (k / 8)];
        product.rows[h][k] = k % 2 == 0 ? Base::low(pair) : Base::high(pair);
      }
    }
    flying_.push_back(std::move(product));
  }
  void commit_products() {
    for (Product& product : flying_) {
      if (product.group == 0) product.group = groups_ + 1;
    }
    ++groups_;
    begun_ = false;
  }
  template <int Groups, int Count>
  void wait_products(float (&)[Count]) {
    while (!flying_.empty() && flying_.front().group != 0 &&
           flying_.front().group <= groups_ - Groups) {
      land(flying_.front());
      flying_.pop_front();
    }
  }
  bool idle() const { return flying_.empty(); }

  template <int Registers>
  void give_registers() {}
  template <int Registers>
  void take_registers() {}
  int fetch_add(int* counter, int value) {
    const int before = *counter;
    *counter += value;
    return before;
  }
  void device_fence() {}

 private:
  struct Product {
    float* c = nullptr;
    int columns = 0;
    bool accumulate = false;
    std::int64_t group = 0;  // 0: not committed
    std::shared_ptr<const WgmmaModel::Operand16> left, right;
    const Fragment* fragment = nullptr;
    Fragment words{};
    float rows[2][16]{};
    std::vector<float> before;  // accumulators, of the first product in flight on them
  };

  static float value_of(std::uint16_t bits) { return core::to_float(Element{bits}); }
  int lane() const { return Base::thread() % kWarpSize; }
  int warpgroup() const { return Base::thread() / kWarpgroupSize; }

  static constexpr std::uint32_t kInFlight = 0x7fa00001;  // NaN
  static bool in_flight(const float* c, int count) {
    for (int i = 0; i < count; ++i) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, c + i, sizeof(bits));
      if (bits != kInFlight) return false;
    }
    return true;
  }

  template <int Columns>
  Product started(float (&c)[Columns / 2], std::uint64_t b, bool width_major, bool accumulate) {
    if (!begun_) throw std::logic_error("a product is started without wgmma.fence before");
    Product product;
    product.c = c;
    product.columns = Columns;
    product.accumulate = accumulate;
    product.right = model_.operand(warpgroup(), products_++, b, Columns, width_major, value_of);
    bool first = true;
    for (const Product& other : flying_) first = first && other.c != c;
    if (first) {
      product.before.assign(c, c + Columns / 2);
      for (float& value : c) std::memcpy(&value, &kInFlight, sizeof(kInFlight));
    }
    return product;
  }

  /// C of m64nN: rows lane / 4 and the eighth from there of each warp's sixteen; columns
  /// 2 (lane % 4) and the next of every eight.
  void land(const Product& product) {
    if (lane() == 0 &&
        (!model_.unchanged(*product.right) || (product.left && !model_.unchanged(*product.left)))) {
      throw std::logic_error("shared memory changed under a product");
    }
    if (product.fragment != nullptr &&
        std::memcmp(product.fragment, &product.words, sizeof(Fragment)) != 0) {
      throw std::logic_error("fragments changed under a product");
    }
    if (!product.before.empty()) {
      if (!in_flight(product.c, product.columns / 2)) {
        throw std::logic_error("accumulators changed under a product");
      }
      std::copy(product.before.begin(), product.before.end(), product.c);
    }
    for (int i = 0; i < product.columns / 2; ++i) {
      const int n = i / 4 * 8 + 2 * (lane() % 4) + i % 2;
      const float* const column = product.right->values.data() + 16 * n;
      const float* const row = product.rows[i / 2 % 2];
      float sum = product.accumulate ? product.c[i] : 0.0F;
      for (int k = 0; k < 16; ++k) sum += row[k] * column[k];
      product.c[i] = sum;
    }
  }

  WgmmaModel& model_;
  std::deque<Product> flying_;
  std::int64_t products_ = 0;  // operands that were named so far
  std::int64_t groups_ = 0;
  bool begun_ = false;
};

}  // namespace ashlar::flashattention2::kernel
