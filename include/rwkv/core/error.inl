#pragma once

#include <utility>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE Error::Error(std::string where, std::string subject, std::string expected, std::string found)
    : std::runtime_error(
          core::join({where, subject.empty() ? "" : ": ", subject, ": expected ", expected, ", found ", found})),
      where_(std::move(where)),
      subject_(std::move(subject)),
      expected_(std::move(expected)),
      found_(std::move(found)) {}

RWKV_INLINE Error::Error(std::string where, const std::string& sentence, std::string found)
    : std::runtime_error(sentence), where_(std::move(where)), found_(std::move(found)) {}

RWKV_INLINE FileError::FileError(std::string where, std::string_view failure, std::error_code code)
    : Error(std::move(where), core::join({failure, ": ", code.message()}), code.message()), code_(code) {}

RWKV_INLINE Cancelled::Cancelled(const std::string& work) : Error(work, work + " was cancelled") {}

}  // namespace rwkv::inline RWKV_ABI
