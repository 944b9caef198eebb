#!/usr/bin/env python3
"""Has transformers load what `convert` writes of the fixtures, and compares its logits and states with this library's.

    python3 tests/check_convert.py build/release/examples      (the folder of the programs)

Needs torch, transformers < 5 and safetensors; not part of the test suite. Every model is converted in every format that
transformers can read, in one file and in shards, loaded by RwkvForCausalLM.from_pretrained in float32 (it must find every
weight, and no other), and run on the fixture's tokens. The logits must be those that `score` has of the original in
that format, and for weights as stored also those in expected.safetensors, and the state. Prints the versions and the
largest difference of each, relative to max(1, largest number); exits with 1 above 5e-5.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, RwkvForCausalLM

TOLERANCE = 5e-5
FIXTURES = pathlib.Path(__file__).parent / "fixtures"
ANSWERS = {"sharded": "plain", "bare": "tied", "blinkdl": "bf16"}  # whose expected.safetensors
STATES = ("ffn_shift", "att_shift", "num", "den", "max")

transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)
torch.set_grad_enabled(False)


def distance(found, expected):
    return ((found - expected).abs().max() / max(1.0, expected.abs().max())).item()


def run(directory, tokens):
    """Logits and state of transformers, from a fresh state made here, as config.json alone has it made too short."""
    model, info = RwkvForCausalLM.from_pretrained(directory, torch_dtype=torch.float32, output_loading_info=True)
    config = model.config
    for kind in ("unexpected_keys", "mismatched_keys", "error_msgs"):
        assert not info[kind], (directory, kind, info[kind])
    assert set(info["missing_keys"]) <= ({"head.weight"} if config.tie_word_embeddings else set()), info
    hidden, attention = config.hidden_size, config.attention_hidden_size
    sizes = (hidden, hidden, attention, attention, attention)
    state = [torch.zeros(1, size, config.num_hidden_layers) for size in sizes]
    state[4] -= 1e38
    answer = model.eval()(tokens.long()[None], state=state, use_cache=True)
    return answer.logits[0], [part[0].T for part in answer.state]


def check(programs, name, work):
    expected = load_file(FIXTURES / ANSWERS.get(name, name) / "expected.safetensors")
    tokens = expected["tokens"]
    positions = expected["positions"].long() if "positions" in expected else torch.arange(len(tokens))
    ids = work / "ids"
    ids.write_text("\n".join(map(str, tokens.tolist())))
    worst = 0.0
    for format in ("stored", "f32", "f16", "bf16"):
        theirs = work / "logits.safetensors"
        subprocess.run([programs / "score", "--model", FIXTURES / name, "--ids-file", ids, "--format", format,
                        "--logits", theirs], check=True, stdout=subprocess.DEVNULL)
        ours = load_file(theirs)["logits"]
        for limit in ("5GB", "20kB"):
            out = work / f"{name}-{format}-{limit}"
            subprocess.run([programs / "convert", FIXTURES / name, out, "--format", format, "--max-shard-size", limit],
                           check=True, stdout=subprocess.DEVNULL)
            assert AutoConfig.from_pretrained(out).architectures == ["RwkvForCausalLM"]
            logits, state = run(out, tokens)
            differences = {"score": distance(logits, ours)}
            if format in ("stored", "f32"):
                differences["logits"] = distance(logits[positions], expected["logits"])
                for part, values in zip(STATES, state):
                    differences[part] = distance(values, expected["state." + part])
            worst = max(worst, *differences.values())
            print(f"{name:8} {format:6} {limit:5} " + "  ".join(f"{k} {v:.1e}" for k, v in differences.items()))
    return worst


def main():
    programs = pathlib.Path(sys.argv[1])
    print("torch", torch.__version__, " transformers", transformers.__version__)
    with tempfile.TemporaryDirectory() as work:
        names = sorted(path.parent.name for path in FIXTURES.glob("*/config.json"))
        worst = max(check(programs, name, pathlib.Path(work)) for name in names)
    print(f"largest difference {worst:.1e}, allowed {TOLERANCE:.0e}")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
