"""The C interface from Python, by ctypes alone: test_ctypes.py LIBRARY MODEL_DIR"""
import ctypes
import json
import pathlib
import sys
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint64, c_void_p

library_path, model_dir = sys.argv[1:]
library = ctypes.CDLL(library_path)


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("message", c_char * 1020)]


class Sampling(ctypes.Structure):
    _fields_ = [("temperature", c_float), ("top_k", c_int), ("top_p", c_float), ("min_p", c_float), ("typical_p", c_float),
                ("mirostat_tau", c_float), ("mirostat_eta", c_float), ("hugging_face_order", c_bool),
                ("presence_penalty", c_float), ("frequency_penalty", c_float), ("penalty_decay", c_float),
                ("repetition_penalty", c_float), ("no_repeat_ngram_size", c_int), ("logit_bias", c_void_p),
                ("logit_bias_count", c_size_t), ("suppress_tokens", POINTER(c_int32)), ("suppress_token_count", c_size_t),
                ("seed", c_uint64)]


class Options(ctypes.Structure):
    _fields_ = [("max_new_tokens", c_int64), ("sampling", Sampling), ("stop_strings", POINTER(c_char_p)),
                ("stop_string_count", c_size_t), ("stop_token_ids", POINTER(c_int32)), ("stop_token_id_count", c_size_t),
                ("progress", c_void_p), ("user_data", c_void_p)]


class Generation(ctypes.Structure):
    _fields_ = [("text", POINTER(c_char)), ("text_bytes", c_size_t), ("tokens", POINTER(c_int32)),
                ("log_probabilities", POINTER(c_double)), ("token_count", c_size_t), ("finish_reason", c_int),
                ("prompt_tokens", c_int64), ("prompt_seconds", c_double), ("decode_seconds", c_double)]


class Config(ctypes.Structure):
    _fields_ = [(name, c_int64) for name in ("vocab_size", "hidden_size", "num_hidden_layers", "attention_hidden_size",
                                             "intermediate_size", "context_length", "rescale_every")]
    _fields_ += [("bos_token_id", c_int32), ("eos_token_id", c_int32)]


READ = ctypes.CFUNCTYPE(c_size_t, c_void_p, c_uint64, c_void_p, c_size_t)
RELEASE = ctypes.CFUNCTYPE(None, c_void_p)
TEXT = ctypes.CFUNCTYPE(c_bool, c_void_p, POINTER(c_char), c_size_t)


class File(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("size", c_uint64), ("data", c_void_p), ("read", READ), ("release", RELEASE),
                ("user_data", c_void_p)]


library.rwkv_version.restype = c_char_p
for name in ("rwkv_model_load", "rwkv_model_load_files", "rwkv_tokenizer_load", "rwkv_generator_new"):
    getattr(library, name).restype = c_void_p
library.rwkv_generator_new.argtypes = [c_void_p, c_void_p, c_int, c_int, POINTER(Error)]
library.rwkv_model_config.argtypes = [c_void_p, POINTER(Config), POINTER(Error)]
library.rwkv_model_load_files.argtypes = [c_char_p, POINTER(File), c_size_t, c_void_p, POINTER(Error)]
library.rwkv_generator_generate.argtypes = [c_void_p, c_char_p, c_size_t, POINTER(Options), TEXT, c_void_p, POINTER(Error)]
library.rwkv_generator_result.argtypes = [c_void_p, POINTER(Generation), POINTER(Error)]
library.rwkv_generator_start.argtypes = [c_void_p, c_char_p, c_size_t, POINTER(Options), POINTER(Error)]
library.rwkv_generator_next.argtypes = [c_void_p, POINTER(POINTER(c_char)), POINTER(c_size_t), POINTER(Error)]
library.rwkv_generator_reset.argtypes = [c_void_p, POINTER(Error)]
for name in ("rwkv_model_free", "rwkv_tokenizer_free", "rwkv_generator_free"):
    getattr(library, name).argtypes = [c_void_p]
    getattr(library, name).restype = None

error = Error()
assert library.rwkv_version().count(b".") == 2
assert library.rwkv_model_load(b"no-such-directory", None, byref(error)) is None
assert error.status == 2 and b"no-such-directory" in error.message, error.message

model = library.rwkv_model_load(model_dir.encode(), None, byref(error))
tokenizer = library.rwkv_tokenizer_load(model_dir.encode(), byref(error))
assert model and tokenizer, error.message
config = Config()
assert library.rwkv_model_config(model, byref(config), byref(error)) == 0
assert config.vocab_size == json.loads(pathlib.Path(model_dir, "config.json").read_text())["vocab_size"]

# The same model from files that Python keeps, one of them read by a function of Python's.
contents = {path.name: path.read_bytes() for path in pathlib.Path(model_dir).iterdir()}
released = []


def read_weights(_, offset, out, size):
    part = contents["model.safetensors"][offset:offset + size]
    ctypes.memmove(out, part, len(part))
    return len(part)


read, release = READ(read_weights), RELEASE(lambda _: released.append(1))
files = (File * 2)(File(b"config.json", len(contents["config.json"]), ctypes.cast(c_char_p(contents["config.json"]), c_void_p)),
                   File(b"model.safetensors", len(contents["model.safetensors"]), None, read, release))
other = library.rwkv_model_load_files(b"python", files, 2, None, byref(error))
assert other, error.message
assert released == [1]

options = Options()
library.rwkv_generation_options_init(byref(options))
options.max_new_tokens = 20
texts = []
for handle in (model, other):
    generator = library.rwkv_generator_new(handle, tokenizer, 1, 0, byref(error))
    assert generator, error.message
    chunks = []
    callback = TEXT(lambda _, text, size: chunks.append(text[:size]) or True)
    assert library.rwkv_generator_generate(generator, b"The cat", 7, byref(options), callback, None, byref(error)) == 0
    result = Generation()
    assert library.rwkv_generator_result(generator, byref(result), byref(error)) == 0
    assert b"".join(chunks) == result.text[:result.text_bytes] and result.token_count == 20
    assert library.rwkv_generator_reset(generator, byref(error)) == 0
    assert library.rwkv_generator_start(generator, b"The cat", 7, byref(options), byref(error)) == 0
    streamed, text, size = b"", POINTER(c_char)(), c_size_t()
    while library.rwkv_generator_next(generator, byref(text), byref(size), byref(error)) == 0 and size.value:
        streamed += text[:size.value]
    assert streamed == b"".join(chunks)
    texts.append(streamed)
    library.rwkv_generator_free(generator)
assert texts[0] == texts[1] and texts[0].decode()
for handle in (model, other):
    library.rwkv_model_free(handle)
library.rwkv_tokenizer_free(tokenizer)
print("the C interface holds from Python")
