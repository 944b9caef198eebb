#pragma once

#include <cstddef>
#include <cstdint>

#include <rwkv/version.hpp>

// Forward declarations of what rwkv.hpp declares.

namespace rwkv::inline RWKV_ABI {

using Index = std::ptrdiff_t;
using TokenId = std::int32_t;

class Error;
class ArgumentError;
class FileError;
class FormatError;
class ModelError;
class Cancelled;

struct Config;
enum class WeightFormat;
struct LoadOptions;
class Model;

template <class Scalar>
class BasicState;
using State = BasicState<float>;

template <class Scalar>
class BasicWorkspace;
using Workspace = BasicWorkspace<float>;
struct WorkspaceOptions;

template <class Scalar>
class BasicCheckpoints;
using Checkpoints = BasicCheckpoints<float>;

class ByteSource;
class MemorySource;
class ModelFiles;
class MemoryFiles;

class Tokenizer;
class StreamingDecoder;
class StopStrings;

enum class SamplingOrder;
struct SamplingOptions;
struct SpeculationOptions;
struct GenerationOptions;
class TokenConstraint;
class Sampler;
struct TokenLogProbability;
class LogProbabilities;

struct Conversation;
struct PromptFormat;
enum class FinishReason;
struct Generation;
struct Step;
class Sequence;
class PassTimes;
class DraftModel;
class Generator;
class TextStream;

struct ConvertOptions;
struct ConvertedModel;

}  // namespace rwkv::inline RWKV_ABI
