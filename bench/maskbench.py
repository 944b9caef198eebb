"""What maskbench.cpp does, with llguidance, on the same files:

    python3 -m venv venv && venv/bin/pip install llguidance
    venv/bin/python bench/maskbench.py --tokenizer 20B_tokenizer.json DIRECTORY...

Tried with llguidance 1.9.1.
"""

import argparse
import collections
import json
import pathlib
import time

import llguidance
from llguidance import LLMatcher, LLTokenizer


def quantiles(name, times):
    times.sort()
    if not times:
        return
    at = lambda q: times[int(q * (len(times) - 1))] * 1e6
    print(f"{name:12} {len(times):8}: average {sum(times) / len(times) * 1e6:8.1f}, p50 {at(0.5):8.1f}, "
          f"p99 {at(0.99):9.1f}, max {at(1):10.1f} us")


def main():
    parser = argparse.ArgumentParser(description="Judges the instances of schemas with llguidance, and times masks.")
    parser.add_argument("--tokenizer", required=True, help="a tokenizer.json")
    parser.add_argument("--every", type=int, default=1, help="take every n-th file")
    parser.add_argument("--verbose", action="store_true", help="print each wrong judgement")
    parser.add_argument("path", nargs="+", type=pathlib.Path, help="files, or directories of .json files")
    arguments = parser.parse_args()
    tokenizer = LLTokenizer(arguments.tokenizer)
    files = sorted(file for path in arguments.path for file in (path.rglob("*.json") if path.is_dir() else [path]))
    counts, refused, masks, first_masks = collections.Counter(), collections.Counter(), [], []
    mask = bytearray((tokenizer.vocab_size + 31) // 32 * 4)
    for file in files[:: arguments.every]:
        content = json.loads(file.read_text(encoding="utf-8"))
        for schema in content if isinstance(content, list) else [content]:
            counts["schemas"] += 1
            start = time.perf_counter()
            try:
                grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema["schema"]),
                                                             overrides={"whitespace_flexible": False})
                matcher = LLMatcher(tokenizer, grammar)
                error = matcher.get_error()
            except Exception as exception:  # noqa: BLE001: whatever the wheel refuses a schema with
                error = str(exception)
            if error:
                counts["refused"] += 1
                refused[error.split("\n")[0][:60]] += 1
                continue
            compiled = time.perf_counter() - start
            accepted = rejected = False
            is_first = True
            for test in schema["tests"]:
                matcher.reset()
                text = json.dumps(test["data"], separators=(",", ":"), ensure_ascii=False)
                holds = True
                for token in tokenizer.tokenize_str(text):
                    start = time.perf_counter()
                    matcher.unsafe_compute_mask_ptr(address_of(mask), len(mask))
                    elapsed = time.perf_counter() - start
                    if is_first:
                        first_masks.append(elapsed + compiled)
                    is_first = False
                    masks.append(elapsed)
                    if not mask[token // 8] >> token % 8 & 1 or not matcher.consume_token(token):
                        holds = False
                        break
                holds = holds and matcher.is_accepting()
                accepted |= holds and not test["valid"]
                rejected |= not holds and test["valid"]
                if arguments.verbose and holds != test["valid"]:
                    print(f"{file.name}: {'accepted an invalid' if holds else 'rejected a valid'} instance: {text[:200]}")
            counts["accepted" if accepted else "rejected" if rejected else "right"] += 1
    print(f"llguidance {llguidance.__version__ if hasattr(llguidance, '__version__') else ''}: schemas "
          f"{counts['schemas']}: every instance right {counts['right']}, refused {counts['refused']}")
    print(f"  with an invalid instance accepted {counts['accepted']}, with a valid one rejected {counts['rejected']}")
    quantiles("mask", masks)
    quantiles("first mask", first_masks)


def address_of(buffer):
    import ctypes

    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


if __name__ == "__main__":
    main()
