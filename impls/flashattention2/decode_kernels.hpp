#pragma once
// The micro-kernels of split-KV decoding on a CPU. Internal: decode.cpp drives them.
//
// Design. With one query row (or a few) per sequence every key and value is used for a handful of
// multiply-adds, so the time is that of reading K and V. For R rows that share a kv head (query
// heads of the group times query rows) and b bytes per element
//   bytes = 2 * Nk * d * b          FLOP = 4 * R * Nk * d          FLOP / byte = 2 R / b
// and the floor is the larger of bytes / bandwidth and FLOP / peak. A core that streams 20 GB/s and
// does 100 GFLOP/s is bound by memory up to R = 10 in single and R = 5 in 16 bits; beyond that a
// group of 8 heads in 16 bits is bound by multiply-adds, and R = 1 has 5 to 10 times to spare.
// Consequences:
//   - K and V are read in place, once, whatever their row stride. Packing them would double the
//     traffic.
//   - All rows of a kv head walk along the keys together, a block of keys at a time: scores of the
//     block, softmax, values of the block.
//   - In (batch, seqlen, heads, head_dim) order one head's rows lie kilobytes apart: a page each,
//     where the hardware's prefetchers do not follow, and all in a few cache sets. So one item of
//     work takes all kv heads of a block before the next block, and while it computes it asks for
//     the next block in the order in which that lies in memory, into L2.
//   - Scores: R x 4 tiles of rows x keys with the head dimension across the lanes, as that is how K
//     lies. The four sums of a row are transposed together, 3 instructions per score.
//   - Values: R x W tiles of rows x vectors, keys inside; V is read again from L1 or L2 for the
//     next rows of a group only.
//   - 16-bit elements are widened in registers. A vector of bfloat16 becomes two of float by a
//     shift and an AND, one with the even elements and one with the odd, which is a permutation of
//     the head dimension; queries are laid out alike, and the answer is put in order at the end.
// A head dimension that is no multiple of the vector ends with a vector that overlaps the one
// before it: queries are zero in the overlap, and outputs in it are the same number twice. So
// nothing is read outside of a row. Rows shorter than a vector are copied and padded first.
//
// Predicted: within 1.1 of the time of a plain read of K and V for R = 1, within 1.3 for R = 8 in
// single precision. Measured (two threads on Zen 3, AVX2, 512 KiB of L2, a virtual machine whose
// memory others use too; 8 kv heads, 65536 keys, single precision; medians of interleaved runs):
//   - a plain read makes 15 to 18 GB/s in one stream a thread and 20 to 24 in four;
//   - R = 1 makes 16 to 17 GB/s. Asking for the next block in two streams, one through each half,
//     gave 5 % at d = 64 and 35 % at d = 128; four streams gave less, and every second line less
//     than half: the hardware does not fetch the neighbour. Requests in bursts (pairs in a tight
//     loop) lost a third, and in the order of the loads, head by head, too;
//   - huge pages gave 15 to 30 %: with small ones each of them is a page walk;
//   - R = 8 makes 11 GB/s, 45 of 187 GFLOP/s. The kernels alone, with all in L1, make 26 at d = 64
//     and 32 at d = 128: scores at 62 and 75 GFLOP/s of a thread's 95, values at 69, softmax 17 and
//     10 % of the time; requests add 15 %, and waiting for memory the rest. Tiles of 3 x 4 took
//     10 % less time than 2 x 4, whose 8 accumulators just hide the latency. Rows across the lanes,
//     with nothing to add up across them, made the scores 15 % faster at d = 64 and 2 % at d = 128:
//     not worth a second layout of queries;
//   - R = 8 in bfloat16: tiles of 2 rows took 20 % less time than of 3, whose operands do not fit
//     into 16 registers, and widening a block once, to floats in L1, as long as those of 3;
//   - cheaper requests, two streams without a check at every line, took a third of the time in L1
//     and made R = 1 a third slower from memory: requests that come faster than memory answers
//     hold back the loads behind them.
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "impls/core/dtype.hpp"
#include "impls/core/simd.hpp"
#include "impls/core/tensor.hpp"
#include "impls/flashattention2/mask.hpp"

namespace ashlar::flashattention2 {

using core::Index;

/// Keys of one block at most, and floats between two rows of scores. Blocks of 8 heads of 128 in
/// single precision are 128 KiB, so that one block and the next fit an L2 of 512 KiB; 32 and 64
/// keys took some 10 % longer.
inline constexpr Index kDecodeKeys = 16;
inline constexpr Index kDecodeScoreStride = kDecodeKeys + 16;
/// Up to so many rows the next block is asked for in two streams; with more, computing takes longer
/// than waiting, and the simpler requests of one stream cost less.
inline constexpr Index kDecodeStreamRows = 2;

/// How a row of head_dim elements is cut into chunks that are loaded at once, and where its
/// elements lie among the floats that they become.
struct DecodeLayout {
  Index head_dim = 0;
  Index chunk = 0;   // elements of one load
  Index parts = 0;   // vectors of floats that it becomes: element e of a chunk goes to part
  Index chunks = 0;  // e % parts, lane e / parts

  /// Rows shorter than a chunk are padded to one.
  bool padded() const { return head_dim < chunk; }
  /// The first element of a chunk; the last chunk ends with the row.
  Index begin(Index c) const {
    const Index last = padded() ? 0 : head_dim - chunk;
    return c * chunk < last ? c * chunk : last;
  }
  /// Floats of one row.
  Index width() const { return chunks * chunk; }
  /// Where element `e` lies among them (in the last chunk, if in two).
  Index slot(Index e) const {
    const Index c = e >= begin(chunks - 1) ? chunks - 1 : e / chunk;
    const Index inside = e - begin(c);
    return c * chunk + inside % parts * (chunk / parts) + inside / parts;
  }
};

/// Rows of keys or values in their tensor.
struct DecodeRows {
  const std::byte* data = nullptr;
  Index stride_bytes = 0;
  Index count = 0;
  const std::byte* row(Index i) const { return data + i * stride_bytes; }
};

/// What to ask for while computing: `rows` rows of `pieces` pieces each, in the order of memory, or
/// in two streams, one through each half of the rows.
class DecodeAhead {
 public:
  DecodeAhead() = default;
  DecodeAhead(const std::byte* data, Index rows, Index row_stride, Index pieces, Index piece_stride,
              Index piece_bytes, bool two_streams)
      : row_stride_(row_stride),
        pieces_(pieces),
        piece_stride_(piece_stride),
        lines_(divide_up<Index>(piece_bytes, kLine)),
        two_streams_(two_streams) {
    const Index first = two_streams ? rows / 2 : rows;
    streams_[0] = stream(data, first);
    streams_[1] = stream(data + first * row_stride, rows - first);
  }

  /// Asks for the next `lines` cache lines, or what is left.
  void ask(Index lines) {
    if (!two_streams_) return ask(streams_[0], lines);
    for (Index i = 0; i < lines; ++i) ask(streams_[turn_ ^= 1], 1);
  }

 private:
  static constexpr Index kLine = 64;
  struct Stream {
    const std::byte* row = nullptr;
    const std::byte* line = nullptr;
    Index rows_left = 0;
    Index pieces_left = 0;
    Index lines_left = 0;
  };

  Stream stream(const std::byte* data, Index rows) const {
    return {data, data, rows, pieces_, lines_};
  }

  void ask(Stream& stream, Index lines) {
    while (lines > 0 && stream.rows_left > 0) {
      const Index count = lines < stream.lines_left ? lines : stream.lines_left;
      const std::byte* line = stream.line;  // not a member: no store and load between two lines
      for (Index i = 0; i < count; ++i) __builtin_prefetch(line + i * kLine, 0, 2);  // into L2
      stream.line = line + count * kLine;
      lines -= count;
      stream.lines_left -= count;
      if (stream.lines_left == 0) next_piece(stream);
    }
  }

  void next_piece(Stream& stream) {
    if (--stream.pieces_left == 0) {
      stream.pieces_left = pieces_;
      --stream.rows_left;
      stream.row += row_stride_;
    }
    stream.line = stream.row + (pieces_ - stream.pieces_left) * piece_stride_;
    stream.lines_left = lines_;
  }

  std::array<Stream, 2> streams_;
  std::size_t turn_ = 1;  // the stream that was asked last, also by the call before
  Index row_stride_ = 0;
  Index pieces_ = 0;
  Index piece_stride_ = 0;
  Index lines_ = 0;
  bool two_streams_ = false;
};

/// How scores become weights.
struct DecodeSoftmax {
  float scale_log2e = 0;  // scale * log2(e)
  float cap_factor = 0;   // scale / softcap; 0: no softcap
  float cap_log2e = 0;    // softcap * log2(e)
};

/// One row's running statistics, in log2 units; -infinity and 0: saw nothing.
struct DecodeStatistics {
  float max;
  float sum;
  float rescale;  // old weights in terms of new after the last block
};

/// One instruction set's kernels for one storage type.
struct DecodeKernels {
  core::Isa isa;
  Index chunk;
  Index parts;

  /// scores[r * kDecodeScoreStride + i] = <query r, key i>; queries are [rows][width] in the order
  /// of the layout. Asks for as many bytes ahead as it reads.
  void (*scores)(const DecodeLayout& layout, const float* queries, Index rows,
                 const DecodeRows& keys, DecodeAhead& ahead, float* scores);

  /// Scores to weights: row r sees the keys visible[r] of the block; the weights of all `count`
  /// keys are defined, 0 where not visible. Updates the statistics.
  void (*soften)(const DecodeSoftmax& softmax, Index rows, Index count, const Range<Index>* visible,
                 float* scores, DecodeStatistics* statistics);

  /// acc[r] = rescale[r] * acc[r] + sum_i weights[r][i] * value i; acc is [rows][width].
  void (*accumulate)(const DecodeLayout& layout, const float* weights,
                     const DecodeStatistics* statistics, Index rows, const DecodeRows& values,
                     DecodeAhead& ahead, float* acc);

  DecodeLayout layout(Index head_dim) const {
    return {head_dim, chunk, parts, head_dim < chunk ? 1 : divide_up(head_dim, chunk)};
  }
};

/// Kernels for f32, bf16 or f16 that core::usable_isa() allows, fastest first; never empty.
std::vector<const DecodeKernels*> usable_decode_kernels(core::DType dtype);

}  // namespace ashlar::flashattention2
