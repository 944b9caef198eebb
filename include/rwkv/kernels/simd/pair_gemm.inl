// Blocked products of quantized weights by AVX2, with half the multiplications (Winograd, 1968). Of the columns 2 i and
// 2 i + 1 of a row,
//
//   w0 x0 + w1 x1 = (w0 + x1) (w1 + x0) − w0 w1 − x0 x1
//
// where the sums of w0 w1 and of x0 x1 over a scale block are computed once for all tokens and all rows. vpmaddwd,
// which multiplies pairs of 16-bit numbers, has half of the registers' ports, additions have all of them. Integers are
// exact: the bits are those of any other order.
#ifndef RWKV_TARGET
#define RWKV_AVX2_WITHOUT_BODIES
#include <rwkv/kernels/simd/avx2.hpp>

#include <rwkv/kernels/simd/token_runs.inl>

#include <rwkv/kernels/simd/gemv.inl>

#include <rwkv/kernels/simd/quantized_gemv.inl>

#include <rwkv/kernels/simd/column_gemv.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// Quantizes a panel of tokens as quantize_activations does, and subtracts from each block's bias the sum of x0 x1.
template <QuantizedFormat Format>
void quantize_pairs(const float* x, Index x_stride, Index tokens, Index cols, std::byte* panel) noexcept {
    quantize_activations<Format>(x, x_stride, tokens, cols, panel);
    const QuantizedPanel<IntDot::Value> quantized(panel, cols, Format::block_cols);
    for (Index t = 0; t < tokens; ++t) {
        const auto* values = reinterpret_cast<const __m256i*>(quantized.values(t));
        for (Index b = 0; b < quantized.blocks(); ++b) {
            __m256i twice = _mm256_setzero_si256();
            for (Index i = 0; i < Format::block_cols; i += 16) {
                const __m256i some = _mm256_loadu_si256(values++);
                twice = _mm256_add_epi32(twice, _mm256_madd_epi16(some, _mm256_shuffle_epi32(some, 0xb1)));
            }
            quantized.scales(t)[b].bias -= IntDot::reduce_sum(twice) / 2;
        }
    }
}

// The weights of some row groups and scale blocks, unpacked.
template <class Format>
struct PairWeights {
    static constexpr Index steps = Format::block_cols / step_cols, depth_blocks = Blocking::k_slab / Format::block_cols;
    static constexpr Index max_groups = Blocking::max_mc / group_rows;

    /// A scale block of a row group.
    struct Block {
        __m256i values[steps][2][2];  ///< 16-bit numbers: [even columns, odd columns][8 rows]
        __m256i minus_products[2];    ///< −Σ w0 w1 of the rows
        __m256 scales[2];

        /// Adds the products of a column step to `sums` and subtracts them from the rows' sums, which are returned.
        IntDot::Sum assign(Index step, const IntDot::Quantized& bytes, IntDot::Sum minus) noexcept {
            const IntDot::Prepared words = IntDot::prepare(bytes);
#pragma GCC unroll 2
            for (int i = 0; i < 2; ++i) {
                values[step][0][i] = words.v[0][i];
                values[step][1][i] = words.v[1][i];
                minus.v[i] = _mm256_sub_epi32(minus.v[i], _mm256_madd_epi16(words.v[0][i], words.v[1][i]));
            }
            return minus;
        }
    };

    /// Unpacks `groups` row groups from `first_group` on, scale blocks [block, block + blocks). Of column-major
    /// weights, prefetches the columns of the same number of blocks from `next_block` and `next_row` on.
    void assign(const WeightView<Format>& weights, Index first_group, Index groups, Index block, Index blocks,
                Index next_row, Index next_block) noexcept {
        const bool by_columns = weights.layout() == Layout::column_major;
        if (by_columns)
            for_each_column_step(weights, first_group * group_rows, block, blocks, next_row, next_block,
                                 [&](int g, Index step, const IntDot::Quantized& bytes) {
                                     Block& to = of[g][step / steps];
                                     const IntDot::Sum before =
                                         step % steps == 0 ? IntDot::start(0)
                                                           : IntDot::Sum{{to.minus_products[0], to.minus_products[1]}};
                                     const IntDot::Sum minus = to.assign(step % steps, bytes, before);
                                     to.minus_products[0] = minus.v[0];
                                     to.minus_products[1] = minus.v[1];
                                 });
        for (Index g = 0; g < groups; ++g)
            for (Index b = 0; b < blocks; ++b) {
                Block& to = of[g][b];
                const core::BFloat16* const scales = weights.scales(first_group + g, block + b);
                to.scales[0] = Simd::load(scales);
                to.scales[1] = Simd::load(scales + Simd::lanes);
                if (by_columns) continue;
                const std::uint8_t* from = weights.quantized(first_group + g) + (block + b) * weights.block_bytes;
                IntDot::Sum minus = IntDot::start(0);
                for (Index step = 0; step < steps; from += 64) {
                    const IntDot::Quantized bytes = IntDot::load(from);
                    if constexpr (Format::bits == 8) {
                        minus = to.assign(step++, bytes, minus);
                    } else {
                        minus = to.assign(step++, IntDot::lower_nibbles(bytes), minus);
                        minus = to.assign(step++, IntDot::upper_nibbles(bytes), minus);
                    }
                }
                to.minus_products[0] = minus.v[0];
                to.minus_products[1] = minus.v[1];
            }
    }

    Block of[max_groups][depth_blocks];
};

// The microkernel: y (+)= W x for a row group and `Tokens` tokens: integers in registers within a scale block, floats
// in the first-level cache over the blocks. Prefetches for every block.
template <class Format, int Tokens>
inline void pair_microkernel(const typename PairWeights<Format>::Block* weights, Index blocks, const IntDot::Value* x,
                             Index x_stride, const ActivationScale* scales, Index scale_stride, float* y,
                             Index y_stride, bool first, Prefetcher& prefetcher) noexcept {
    V y_sums[Tokens][2];
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t)
        for (int i = 0; i < 2; ++i)
            y_sums[t][i] = first ? Simd::zero() : Simd::load(y + t * y_stride + i * Simd::lanes);
    for (Index b = 0; b < blocks; ++b, ++weights, ++scales) {
        prefetcher.issue();
        __m256i sums[Tokens][2];
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t)
#pragma GCC unroll 2
            for (int i = 0; i < 2; ++i)
                sums[t][i] =
                    _mm256_add_epi32(_mm256_set1_epi32(scales[t * scale_stride].bias), weights->minus_products[i]);
#pragma GCC unroll 16
        for (Index s = 0; s < PairWeights<Format>::steps; ++s, x += step_cols) {
            const auto& [even, odd] = weights->values[s];
            __m256i even0 = even[0], even1 = even[1], odd0 = odd[0], odd1 = odd[1];
            __asm__("" : "+v"(even0), "+v"(even1), "+v"(odd0), "+v"(odd1));
#pragma GCC unroll 4
            for (int t = 0; t < Tokens; ++t) {
                const __m256i x_even = IntDot::broadcast(x + t * x_stride),
                              x_odd = IntDot::broadcast(x + t * x_stride + 2);
                sums[t][0] = _mm256_add_epi32(
                    sums[t][0], _mm256_madd_epi16(_mm256_add_epi16(even0, x_odd), _mm256_add_epi16(odd0, x_even)));
                sums[t][1] = _mm256_add_epi32(
                    sums[t][1], _mm256_madd_epi16(_mm256_add_epi16(even1, x_odd), _mm256_add_epi16(odd1, x_even)));
            }
#pragma GCC unroll 4
            for (int t = 0; t < Tokens; ++t) __asm__("" : "+v"(sums[t][0]), "+v"(sums[t][1]));
        }
#pragma GCC unroll 4
        for (int t = 0; t < Tokens; ++t) {
            const V scale = Simd::set(scales[t * scale_stride].scale);
#pragma GCC unroll 2
            for (int i = 0; i < 2; ++i)
                y_sums[t][i] =
                    Simd::mul_add(_mm256_cvtepi32_ps(sums[t][i]), Simd::mul(weights->scales[i], scale), y_sums[t][i]);
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t)
        for (int i = 0; i < 2; ++i) Simd::store(y + t * y_stride + i * Simd::lanes, y_sums[t][i]);
}

// Rows [begin, end), whole row groups and, unless weights are column-major, at most Blocking::mc rows, of y = W x for
// tokens packed by quantize_pairs. `scratch` holds scratch_floats(tokens) floats.
template <QuantizedFormat Format>
void pair_gemm(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
               Index y_stride, float* scratch) noexcept {
    using Unpacked = PairWeights<Format>;
    constexpr Index panel_tokens = Blocking::panel_tokens, depth_blocks = Unpacked::depth_blocks;
    constexpr Index block_cols = Format::block_cols;
    static_assert(sizeof(Unpacked) <= scratch_floats(0) * sizeof(float));
    const WeightView<Format> weights(matrix);
    const bool by_columns = weights.layout() == Layout::column_major;
    auto& unpacked = *::new (static_cast<void*>(scratch)) Unpacked;
    float* const last_group = scratch + scratch_floats(0);  // [token][16 rows], where the last row group is not whole
    for (Index b = 0; b < weights.blocks(); b += depth_blocks) {
        const Index blocks = (std::min)(depth_blocks, weights.blocks() - b);
        for (Index r = begin, next; r < end; r = next) {
            next = (std::min)(r + (by_columns ? rows_of_steps : group_rows), end);
            const bool last = next == end;
            const Index groups = row_groups(next - r);
            unpacked.assign(weights, r / group_rows, groups, b, blocks, last ? begin : next,
                            last ? b + depth_blocks : b);
            Prefetcher prefetcher;
            if (!by_columns && next < weights.rows()) {
                const Index bytes = blocks * weights.block_bytes;
                prefetcher = {weights.quantized(next / group_rows) + b * weights.block_bytes, 0, 1, bytes};
                for (Index i = 0; i < blocks * group_rows; i += 32)
                    Simd::prefetch_l2(weights.scales(next / group_rows, b) + i);
                prefetcher.schedule((tokens + 3) / 4 * blocks);
            }
            for (Index g = 0; g < groups; ++g) {
                const Index row = r + g * group_rows;
                const bool in_y = row + group_rows <= end;
                for (Index first = 0; first < tokens; first += panel_tokens) {
                    const QuantizedPanel<IntDot::Value> panel(x.panels + first / panel_tokens * x.panel_bytes,
                                                              weights.cols(), block_cols);
                    for_token_runs<4>(
                        (std::min)(panel_tokens, tokens - first),
                        [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
                            pair_microkernel<Format, Tokens>(
                                unpacked.of[g], blocks, panel.values(t) + b * block_cols, panel.blocks() * block_cols,
                                panel.scales(t) + b, panel.blocks(),
                                in_y ? y + (first + t) * y_stride + row : last_group + (first + t) * group_rows,
                                in_y ? y_stride : group_rows, b == 0, prefetcher);
                        });
                }
            }
        }
    }
    const Index rest = (end - begin) % group_rows;
    for (Index t = 0; rest > 0 && t < tokens; ++t)
        std::copy_n(last_group + t * group_rows, rest, y + t * y_stride + end - rest);
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
