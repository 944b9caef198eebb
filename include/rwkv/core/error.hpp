#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Every failure that the library reports. `what()` is a message for people; the other functions give its parts.
///
/// Most errors say what was expected and what was found: "config.json: vocab_size: expected an integer from 1 to
/// 4194304, found the number 0". The others are a sentence of their own: "cannot open model.safetensors: Permission
/// denied"; they have no `expected()`.
class RWKV_API Error : public std::runtime_error {
  public:
    /// The message "where: subject: expected …, found …", or without the subject where it is empty.
    Error(std::string where, std::string subject, std::string expected, std::string found);

    /// The message is the sentence. `found` is the part of it that is the reason, if there is one.
    Error(std::string where, const std::string& sentence, std::string found = {});

    /// The path of the file, or the name of the function or operation.
    const std::string& where() const noexcept { return where_; }
    /// The tensor, field or option at fault; empty where it is the whole of `where()`.
    const std::string& subject() const noexcept { return subject_; }
    /// What would have been right; empty where the message is a sentence.
    const std::string& expected() const noexcept { return expected_; }
    /// What was there, or the reason of the failure; may be empty where the message is a sentence.
    const std::string& found() const noexcept { return found_; }

  private:
    std::string where_, subject_, expected_, found_;
};

/// A file that cannot be opened, read or written: it is absent, it is not a regular file, access is denied, or the
/// disk fails.
class RWKV_API FileError : public Error {
  public:
    using Error::Error;  ///< as Error

    /// The message "failure: reason", where the failure is "cannot open model.safetensors" and the reason is that of
    /// the code.
    FileError(std::string where, std::string_view failure, std::error_code code);

    /// Why the operating system refused; 0 where it was the library that did.
    std::error_code code() const noexcept { return code_; }

  private:
    std::error_code code_;
};

/// A file that breaks the rules of its own format: an invalid header, malformed JSON, overlapping tensors, trailing
/// bytes.
class RWKV_API FormatError : public Error {
  public:
    using Error::Error;  ///< as Error
};

/// Well-formed files that are not an RWKV-4 model (or a tokenizer) which this library can run: a missing tensor, a
/// wrong shape, an unusable type, a tokenizer larger than the vocabulary.
class RWKV_API ModelError : public Error {
  public:
    using Error::Error;  ///< as Error
};

/// An argument that a function does not accept: a token id outside the vocabulary, a state of another model's shape, a
/// probability over 1.
class RWKV_API ArgumentError : public Error {
  public:
    using Error::Error;  ///< as Error
};

/// Long work that the caller cancelled through its progress callback.
class RWKV_API Cancelled : public Error {
  public:
    /// `work` is a noun: "loading". The message is "loading was cancelled".
    explicit Cancelled(const std::string& work);
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/core/error.inl>
#endif
