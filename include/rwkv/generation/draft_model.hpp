#pragma once

#include <utility>

#include <rwkv/model/model.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A smaller model that guesses tokens for another one with the same vocabulary, and its workspace. Sequences that are
/// decoded by one thread may share it.
/// Thread safety: one sequence at a time.
class DraftModel {
  public:
    /// Throws: as Workspace does. Let the options share the executor of the other workspace: the two never compute at
    /// the same time.
    explicit DraftModel(Model model, const WorkspaceOptions& options = {})
        : model_(std::move(model)), workspace_(model_.config(), options) {}

    /// The model.
    [[nodiscard]] const Model& model() const noexcept { return model_; }
    /// Where it computes.
    [[nodiscard]] Workspace& workspace() noexcept { return workspace_; }

  private:
    Model model_;
    Workspace workspace_;
};

}  // namespace rwkv::inline RWKV_ABI
