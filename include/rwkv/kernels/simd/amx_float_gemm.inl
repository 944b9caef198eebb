// Blocked products of dense weights on tiles of BF16. A float is the sum of three BF16 numbers, each the upper half of
// the bits of what the ones before leave of it, a half-precision number is the sum of two:
//
//   1.2345678 = 1.234375 + 0.00019264221 + 1.5788e-07 (about)
//   w x = (w₀ + w₁ + w₂)(x₀ + x₁ + x₂) ≈ w₀x₀ + w₀x₁ + w₀x₂ + w₁x₀ + w₁x₁ + w₂x₀
//
// The three terms left out are below 2^−23 |w x| together, about the rounding of a product of two floats; tiles add up
// in floats. Tiles take subnormal numbers for 0, so that features below about 2^−110 lose part of their bits; an
// infinity becomes NaN. A tile multiplies pairs of columns; the order of columns makes no difference to the sum, so
// column i is paired with column i + 16, which makes a pair two registers merged.
#ifndef RWKV_TARGET
#define RWKV_AMX_WITHOUT_BODIES
#include <rwkv/kernels/simd/amx.hpp>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

/// Columns of a tile.
inline constexpr Index tile_cols = 32;

/// BF16 numbers whose sum is a feature of a token.
inline constexpr int token_pieces = 3;

/// BF16 numbers whose sum is a weight.
template <DenseFormat Format>
inline constexpr int weight_pieces = std::is_same_v<Format, BF16>  ? 1
                                     : std::is_same_v<Format, F16> ? 2
                                                                   : 3;

/// With fewer tokens than this, splitting weights takes longer than widening and multiplying them.
template <DenseFormat Format>
inline constexpr Index float_gemm_min_tokens = weight_pieces<Format> == 3 ? 64 : 32;

// One thread multiplies token blocks one after the other, several threads all together: the kernel must be the same.
static_assert(float_gemm_min_tokens<F32> <= Blocking::nc / 2);

// Splits sixteen pairs of floats into pieces, each a row of a tile.
template <int Pieces>
inline void split_pairs(V first, V second, std::byte* to) noexcept {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
    const auto cut = [&](V v) { return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(v), upper)); };
#pragma GCC unroll 3
    for (int piece = 0; piece < Pieces; ++piece) {
        const V cut_first = cut(first), cut_second = cut(second);
        _mm512_storeu_si512(to + piece * tile_bytes,
                            _mm512_or_si512(_mm512_maskz_srli_epi32(Simd::all, _mm512_castps_si512(first), 16),
                                            _mm512_castps_si512(cut_second)));
        first = _mm512_sub_ps(first, cut_first);
        second = _mm512_sub_ps(second, cut_second);
    }
}

// Packs a panel of tokens: [step of 32 features][piece][16 tokens][16 pairs], with zeros past the last feature and
// token.
inline void split_panel(const float* x, Index x_stride, Index tokens, Index cols, std::byte* panel) noexcept {
    for (Index c = 0; c < cols; c += tile_cols, panel += token_pieces * tile_bytes) {
        const auto here = static_cast<std::uint32_t>((std::uint64_t(1) << (std::min)(tile_cols, cols - c)) - 1);
        for (Index t = 0; t < Blocking::panel_tokens; ++t) {
            const std::uint32_t mask = t < tokens ? here : 0;
            const float* const from = x + t * x_stride + c;
            split_pairs<token_pieces>(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), from),
                                      _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), from + 16),
                                      panel + t * 64);
        }
    }
}

// Splits up to 32 columns of a row group of weights, `stride` apart: [piece][16 pairs][16 rows][2 columns], zeros past
// the last column.
template <int Pieces, class T>
inline void split_columns(const T* columns, Index stride, Index count, std::byte* to) noexcept {
    constexpr Index half = tile_cols / 2;
    for (Index c = 0; c < half; ++c, columns += stride, to += 64)
        split_pairs<Pieces>(c < count ? Simd::load(columns) : Simd::zero(),
                            c + half < count ? Simd::load(columns + half * stride) : Simd::zero(), to);
}

// Rows [begin, end) × columns [k, k + depth) as tiles: [row group][step of 32 columns][piece].
template <DenseFormat Format>
inline void split_weights(const WeightMatrix& matrix, Index begin, Index end, Index k, Index depth,
                          std::byte* to) noexcept {
    const WeightView<Format> weights(matrix);
    for (Index r = begin; r < end; r += group_rows)
        for (Index c = k; c < k + depth; c += tile_cols, to += weight_pieces<Format> * tile_bytes) {
            const Index here = (std::min)(tile_cols, k + depth - c);
            if (weights.layout() == Layout::row_groups) {
                split_columns<weight_pieces<Format>>(weights.group(r / group_rows) + c * group_rows, group_rows, here,
                                                     to);
            } else if (weights.layout() == Layout::column_major) {
                split_columns<weight_pieces<Format>>(weights.column(c) + r, weights.column_stride(), here, to);
            } else {
                float widened[group_rows * tile_cols];
                avx512::widen_block<Format>(matrix, r, (std::min)(r + group_rows, end), c, here, widened);
                split_columns<weight_pieces<Format>>(widened, group_rows, here, to);
            }
        }
}

// Where a tile of sums lies: in y, or, where it does not fit there, in a buffer.
struct SumTile {
    float* data;
    Index stride;  // in bytes
};

// The microkernel: adds the products of `steps` steps of columns of `Panels` panels of tokens and two row groups of
// weights to sums[panel][row group].
template <int Pieces, int Panels>
inline void split_microkernel(const std::byte* tokens, Index panel_bytes, const std::byte* weights, Index group_stride,
                              Index steps, const SumTile (&sums)[2][2], bool first, Prefetcher& prefetcher) noexcept {
    if (first) {
        zero_sum<0, 0>();
        zero_sum<0, 1>();
        zero_sum<1, 0>();
        zero_sum<1, 1>();
    } else {
        load_sum<0, 0>(sums[0][0].data, sums[0][0].stride);
        load_sum<0, 1>(sums[0][1].data, sums[0][1].stride);
        if constexpr (Panels == 2) {
            load_sum<1, 0>(sums[1][0].data, sums[1][0].stride);
            load_sum<1, 1>(sums[1][1].data, sums[1][1].stride);
        }
    }
    for (Index s = 0; s < steps; ++s, tokens += token_pieces * tile_bytes, weights += Pieces * tile_bytes) {
#pragma GCC unroll 3
        for (int w = 0; w < Pieces; ++w) {
            load_weights<0>(weights + w * tile_bytes);
            load_weights<1>(weights + group_stride + w * tile_bytes);
#pragma GCC unroll 3
            for (int x = 0; x < token_pieces - w; ++x) {
                prefetcher.issue();
                load_tokens<0>(tokens + x * tile_bytes, 64);
                add_bf16_products<0, 0>();
                add_bf16_products<0, 1>();
                if constexpr (Panels == 2) {
                    load_tokens<1>(tokens + panel_bytes + x * tile_bytes, 64);
                    add_bf16_products<1, 0>();
                    add_bf16_products<1, 1>();
                }
            }
        }
    }
    store_sum<0, 0>(sums[0][0].data, sums[0][0].stride);
    store_sum<0, 1>(sums[0][1].data, sums[0][1].stride);
    if constexpr (Panels == 2) {
        store_sum<1, 0>(sums[1][0].data, sums[1][0].stride);
        store_sum<1, 1>(sums[1][1].data, sums[1][1].stride);
    }
}

// Sums of two panels of tokens and two row groups that are in y where a whole tile fits there, and else in a buffer,
// from which they are copied back.
template <int Panels>
class SumTiles {
  public:
    SumTiles(float* y, Index y_stride, Index tokens, Index rows) noexcept
        : y_(y), y_stride_(y_stride), tokens_(tokens), rows_(rows) {
        for (int i = 0; i < Panels; ++i)
            for (int j = 0; j < 2; ++j)
                tiles[i][j] = fits(i, j) ? SumTile{in_y(i, j), y_stride * static_cast<Index>(sizeof(float))}
                                         : SumTile{buffer_[i][j][0], group_rows * static_cast<Index>(sizeof(float))};
    }
    /// Copies the sums so far into the buffers.
    void load() noexcept {
        for (int i = 0; i < Panels; ++i)
            for (int j = 0; j < 2; ++j)
                for (Index t = 0; !fits(i, j) && t < tokens_of(i); ++t)
                    std::copy_n(in_y(i, j) + t * y_stride_, rows_of(j), buffer_[i][j][t]);
    }
    /// Copies the sums back from the buffers.
    void store() const noexcept {
        for (int i = 0; i < Panels; ++i)
            for (int j = 0; j < 2; ++j)
                for (Index t = 0; !fits(i, j) && t < tokens_of(i); ++t)
                    std::copy_n(buffer_[i][j][t], rows_of(j), in_y(i, j) + t * y_stride_);
    }

    SumTile tiles[2][2];

  private:
    Index tokens_of(int panel) const noexcept {
        return std::clamp<Index>(tokens_ - panel * Blocking::panel_tokens, 0, Blocking::panel_tokens);
    }
    Index rows_of(int group) const noexcept { return std::clamp<Index>(rows_ - group * group_rows, 0, group_rows); }
    bool fits(int panel, int group) const noexcept {
        return tokens_of(panel) == Blocking::panel_tokens && rows_of(group) == group_rows;
    }
    float* in_y(int panel, int group) const noexcept {
        return y_ + panel * Blocking::panel_tokens * y_stride_ + group * group_rows;
    }

    float* y_;
    Index y_stride_, tokens_, rows_;
    alignas(64) float buffer_[2][2][Blocking::panel_tokens][group_rows];
};

// y (+)= W x for a block of `rows` rows of weights as tiles: the same for every format of as many pieces.
template <int Pieces>
inline void multiply_split_block(const std::byte* weights, Index rows, Index depth, const std::byte* panels,
                                 Index panel_bytes, Index tokens, float* y, Index y_stride, bool first,
                                 Prefetcher prefetcher) noexcept {
    constexpr Index panel_tokens = Blocking::panel_tokens;
    constexpr Index terms = Pieces * (2 * token_pieces + 1 - Pieces) / 2;
    const Index steps = (depth + tile_cols - 1) / tile_cols, group_bytes = steps * Pieces * tile_bytes;
    prefetcher.schedule((token_panels(tokens) + 1) / 2 * ((rows + 2 * group_rows - 1) / (2 * group_rows)) * steps *
                        terms);
    for_panel_pairs(token_panels(tokens), [&]<int Panels>(Index p, std::integral_constant<int, Panels>) {
        for (Index r = 0; r < rows; r += 2 * group_rows) {
            SumTiles<Panels> sums(y + p * panel_tokens * y_stride + r, y_stride, tokens - p * panel_tokens, rows - r);
            if (!first) sums.load();
            compiler_fence();
            // A single row group is multiplied twice.
            const Index g = r / group_rows, next_group = r + group_rows < rows ? group_bytes : 0;
            split_microkernel<Pieces, Panels>(panels + p * panel_bytes, panel_bytes, weights + g * group_bytes,
                                              next_group, steps, sums.tiles, first, prefetcher);
            sums.store();
        }
    });
}

// Rows [begin, end), from a whole row group on and, unless weights are column-major, at most rows_per_task of them, of
// y = W x over the features of a slab, for tokens packed by split_panel.
template <DenseFormat Format>
void float_gemm(const WeightMatrix& matrix, Index begin, Index end, const Activations& x, Index tokens, float* y,
                Index y_stride, float* scratch) noexcept {
    constexpr int pieces = weight_pieces<Format>;
    constexpr Index block_depth = Blocking::k_slab / pieces;
    static_assert(block_depth % tile_cols == 0 &&
                  rows_per_task * block_depth * pieces * 2 <= scratch_floats(0) * Index(sizeof(float)));
    auto* const weight_tiles = reinterpret_cast<std::byte*>(scratch);
    const ConfiguredTiles<64> tiles;
    const bool by_columns = matrix.layout() == Layout::column_major;
    for (Index k = x.begin; k < x.end; k += block_depth) {
        const Index depth = (std::min)(block_depth, x.end - k);
        const std::byte* const panels = x.panels + k / tile_cols * token_pieces * tile_bytes;
        for (Index r = begin, next; r < end; r = next) {
            next = by_columns ? (std::min)(r + rows_per_task, end) : end;
            const bool last = next == end;
            const Index next_row = last ? begin : next;
            const Prefetcher prefetcher =
                by_columns ? prefetch_columns<Format>(matrix, next_row, (std::min)(next_row + rows_per_task, end), x,
                                                      last ? k + block_depth : k, block_depth)
                           : prefetch_next_block<Format>(matrix, begin, end, x, k, block_depth);
            split_weights<Format>(matrix, r, next, k, depth, weight_tiles);
            multiply_split_block<pieces>(weight_tiles, next - r, depth, panels, x.panel_bytes, tokens, y + r, y_stride,
                                         k == 0, prefetcher);
        }
    }
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
