#!/usr/bin/env python3
"""Encodes LAMBADA, passage by passage, with this library and with the Hugging Face `tokenizers` package, by turns on one
thread each, and prints the medians and their ratio; and the same of loading the vocabulary. The time is the
processor's, which other programs disturb less.

    RWKV_SHARED_DATA=… python3 compare_tokenizers.py build/release/bench/bench_tokenizers [ROUNDS]
"""
import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import json
import pathlib
import statistics
import subprocess
import sys
import time

import tokenizers

DATA = pathlib.Path(os.environ["RWKV_SHARED_DATA"])
VOCABULARY = str(DATA / "20B_tokenizer.json")


def ours(program, name):
    """The benchmark's milliseconds."""
    out = subprocess.run([program, f"--benchmark_filter=^{name}$", "--benchmark_format=json"], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return json.loads(out)["benchmarks"][0]["cpu_time"]


def milliseconds(action):
    begin = time.process_time()
    action()
    return 1e3 * (time.process_time() - begin)


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 9
    passages = [json.loads(line)["text"] for line in open(DATA / "lambada_test.jsonl", encoding="utf-8")]
    megabytes = sum(len(passage.encode()) for passage in passages) / 1e6
    tokenizer = tokenizers.Tokenizer.from_file(VOCABULARY)
    times = {"encode": ([], []), "load": ([], [])}
    for _ in range(rounds):
        times["encode"][0].append(ours(program, "encode/neox_lambada"))
        times["encode"][1].append(milliseconds(lambda: [tokenizer.encode(passage) for passage in passages]))
        times["load"][0].append(ours(program, "load/neox"))
        times["load"][1].append(milliseconds(lambda: tokenizers.Tokenizer.from_file(VOCABULARY)))
    print(f"medians of {rounds}, by turns; tokenizers {tokenizers.__version__}")
    for what, (own, theirs) in times.items():
        own, theirs = statistics.median(own), statistics.median(theirs)
        print(f"{what}: {own:.1f} ms, tokenizers {theirs:.1f} ms: {theirs / own:.1f} times as fast")
        if what == "encode":
            print(f"  {megabytes / own * 1e3:.1f} MB/s, tokenizers {megabytes / theirs * 1e3:.2f} MB/s")


if __name__ == "__main__":
    main()
