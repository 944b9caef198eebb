#pragma once

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <Eigen/Core>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/core/matrix_view.hpp>
#include <rwkv/kernels/blocking.hpp>
#include <rwkv/kernels/encode.hpp>
#include <rwkv/kernels/target.hpp>
#include <rwkv/kernels/weight_matrix.hpp>

namespace rwkv::test {

using kernels::BF16;
using kernels::DenseFormat;
using kernels::F16;
using kernels::F32;
using kernels::Layout;
using kernels::Q4;
using kernels::Q8;
using kernels::QuantizedFormat;
using kernels::Target;
using kernels::WeightMatrix;

/// Activations of several tokens, a column each.
template <class Scalar>
using Columns = Eigen::Array<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

/// A view of all columns, or of a block of them.
template <class Scalar>
MatrixView<Scalar> view(Columns<Scalar>& columns) {
    return {columns.data(), columns.rows(), columns.cols(), columns.rows()};
}
template <class Scalar>
MatrixView<const Scalar> view(const Columns<Scalar>& columns) {
    return {columns.data(), columns.rows(), columns.cols(), columns.rows()};
}
template <class Scalar>
MatrixView<Scalar> view_of_block(Columns<Scalar>& columns, Index row, Index col, Index rows, Index cols) {
    return {&columns(row, col), rows, cols, columns.rows()};
}

/// The available targets; where instructions are emulated (emulated_tiles.hpp, emulated_avx_vnni.hpp), AMX and AVX-VNNI
/// are among them.
inline std::vector<const Target*> tested_targets() {
    std::vector<const Target*> targets = kernels::available_targets();
#ifdef RWKV_EMULATED_TILES
    if (targets.back()->name == "avx512_vnni")
        targets.push_back(&kernels::detail::target_of<kernels::amx::Description>);
#endif
#ifdef RWKV_EMULATED_AVX_VNNI
    const auto is = [](std::string_view name) { return [name](const Target* target) { return target->name == name; }; };
    const auto avx2 = std::ranges::find_if(targets, is("avx2"));
    if (avx2 != targets.end() && std::ranges::none_of(targets, is("avx_vnni")))
        targets.insert(avx2 + 1, &kernels::detail::target_of<kernels::avx_vnni::Description>);
#endif
    return targets;
}

/// Whether a target multiplies quantized weights and activations both as bytes.
inline bool multiplies_bytes(const Target& target) {
    return target.name != "portable" && target.name != "neon";
}

/// A matrix of those elements, given row after row, in any format; quantized formats have one layout only.
template <class Format>
WeightMatrix matrix_of(const std::vector<float>& elements, Index rows, Index cols, Layout layout = Layout::row_groups) {
    core::AlignedBuffer memory(kernels::weight_bytes(Format::format, layout, rows, cols));
    kernels::encode_rows(Format::format, layout, elements.data(), rows, cols, memory.data());
    return {Format::format, layout, rows, cols, std::move(memory).share()};
}

/// The same matrix, column-major.
inline WeightMatrix column_major(const WeightMatrix& groups) {
    core::AlignedBuffer memory(
        kernels::weight_bytes(groups.format(), Layout::column_major, groups.rows(), groups.cols()));
    kernels::copy_to_columns(groups.format(), groups.data(), 0, groups.rows(), groups.rows(), groups.cols(),
                             memory.data());
    return {groups.format(), Layout::column_major, groups.rows(), groups.cols(), std::move(memory).share()};
}

inline std::vector<float> normal_numbers(Index count, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::vector<float> numbers(static_cast<std::size_t>(count));
    for (float& number : numbers) number = normal(random);
    return numbers;
}

template <class Format>
WeightMatrix random_matrix(Index rows, Index cols, std::mt19937& random, Layout layout = Layout::row_groups) {
    return matrix_of<Format>(normal_numbers(rows * cols, random), rows, cols, layout);
}

/// The largest integer that activations are quantized to for such a product; 0: they stay as they are.
template <class Format>
float max_quantized_activation(const Target& target, Index tokens) {
    if (DenseFormat<Format> || target.name == "portable") return 0;
    if (multiplies_bytes(target)) return 127;
    return tokens < kernels::Blocking::gemm_min_tokens ? 32767 : 0;
}

/// What activations, tokens in columns, are once quantized: blocks of them in units of the largest magnitude /
/// `largest`.
inline Columns<double> quantized_activations(const Columns<float>& x, Index block, float largest) {
    Columns<double> all(x.rows(), x.cols());
    for (Index t = 0; t < x.cols(); ++t) {
        for (Index i = 0; i < x.rows(); i += block) {
            const auto some = x.col(t).segment(i, std::min(block, x.rows() - i));
            const float size = some.abs().maxCoeff(), factor = largest / size;
            all.col(t).segment(i, some.size()) = (some * factor).rint().cast<double>() * double(size / largest);
        }
    }
    return all;
}

}  // namespace rwkv::test
