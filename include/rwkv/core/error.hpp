#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// What every failure of the library is reported as: where it happened (a file, or the call), which part of it (a
/// tensor, a field, an option; may be empty), what was expected there, and what was found instead.
///
/// Thrown while loading and at the edges of the API; the forward pass itself does not throw. `what()` reads
/// "where: subject: expected …, found …".
class Error : public std::runtime_error {
  public:
    /// Each part as its function below gives it back.
    Error(std::string where, std::string subject, std::string expected, std::string found)
        : std::runtime_error(message(where, subject, expected, found)),
          where_(std::move(where)),
          subject_(std::move(subject)),
          expected_(std::move(expected)),
          found_(std::move(found)) {}

    /// The file's path, or the name of the call.
    const std::string& where() const noexcept { return where_; }
    /// The tensor, field or option at fault; empty when it is the whole of `where()`.
    const std::string& subject() const noexcept { return subject_; }
    /// What would have been right.
    const std::string& expected() const noexcept { return expected_; }
    /// What was there.
    const std::string& found() const noexcept { return found_; }

  private:
    static std::string message(std::string_view where, std::string_view subject, std::string_view expected,
                               std::string_view found) {
        std::string text(where);
        if (!subject.empty()) text.append(": ").append(subject);
        return text.append(": expected ").append(expected).append(", found ").append(found);
    }

    std::string where_, subject_, expected_, found_;
};

/// A file that cannot be opened, read or written: absent, not a regular file, no permission, an I/O error.
class FileError : public Error {
  public:
    using Error::Error;  ///< as Error
};

/// A file that breaks the rules of its own format: a lying header, bad JSON, an overlap, bytes left over.
class FormatError : public Error {
  public:
    using Error::Error;  ///< as Error
};

/// Well-formed files that do not make up an RWKV-4 model (or tokenizer) this library can run: a missing tensor, a
/// wrong shape, an unusable type, a tokenizer larger than the vocabulary.
class ModelError : public Error {
  public:
    using Error::Error;  ///< as Error
};

/// A call that cannot be answered: a token id outside the vocabulary, a state of another model's shape, a
/// probability over 1.
class ArgumentError : public Error {
  public:
    using Error::Error;  ///< as Error
};

/// Long work that the caller cancelled through its progress callback.
class Cancelled : public Error {
  public:
    /// `where` names the work: "loading".
    explicit Cancelled(std::string where) : Error(std::move(where), "", "to be completed", "a request to cancel") {}
};

}  // namespace rwkv::inline RWKV_ABI
