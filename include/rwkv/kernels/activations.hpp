#pragma once

#include <Eigen/Core>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Activations of several tokens: one column per token, features down the column. An Array, because nearly all that
/// is done to activations is element by element; products with weights go through kernels::multiply.
template <class Scalar>
using Activations = Eigen::Array<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

/// A view of activations to read or to write: a block of some Activations, nothing copied.
template <class Scalar>
using ActivationsView = Eigen::Ref<Activations<Scalar>>;

/// Likewise, to read only.
template <class Scalar>
using ConstActivationsView = Eigen::Ref<const Activations<Scalar>>;

/// One number per feature: a layer norm's weight, a decay, a mix.
template <class Scalar>
using Vector = Eigen::Array<Scalar, Eigen::Dynamic, 1>;

}  // namespace rwkv::inline RWKV_ABI
