#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace serve {

/// An error response: OpenAI's error object and the HTTP status.
class ApiError : public std::runtime_error {
  public:
    ApiError(int status, std::string type, const std::string& message, std::string param = {}, std::string code = {})
        : std::runtime_error(message),
          status_(status),
          type_(std::move(type)),
          param_(std::move(param)),
          code_(std::move(code)) {}

    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] const std::string& type() const noexcept { return type_; }
    /// The field of the request at fault; empty: none.
    [[nodiscard]] const std::string& param() const noexcept { return param_; }
    /// A word for programs; empty: none.
    [[nodiscard]] const std::string& code() const noexcept { return code_; }

  private:
    int status_;
    std::string type_, param_, code_;
};

/// A request that cannot be carried out as it is. `param` is the field at fault.
inline ApiError bad_request(const std::string& message, std::string param = {}, std::string code = {}) {
    return {400, "invalid_request_error", message, std::move(param), std::move(code)};
}

/// Something asked for that this server does not have.
inline ApiError not_supported(const std::string& what, std::string param) {
    return bad_request(what + " is not supported by this server", std::move(param), "unsupported_parameter");
}

}  // namespace serve
