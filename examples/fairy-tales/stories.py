#!/usr/bin/env python3
"""Stories of the model, not picked, at the settings of examples/quickstart.sh: for its page, and for readers who compare two models.

    python stories.py card GENERATE                      writes twenty of them, seeds 1 to 20, into README.md beside this file
    python stories.py pairs GENERATE MODEL MODEL > pairs.md    stories of two models side by side, in an order a reader cannot guess
    python stories.py count MODEL MODEL < answers.txt    what a reader said: lines such as "7 A", the better of pair 7

GENERATE is the program; before the command, a line of settings may be given instead of the quickstart's: --settings
"--max-new-tokens 200 --temperature 0.7". With two such lines and two names of one MODEL, pairs compares settings.
"""

import argparse
import hashlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TITLE = "## Twenty stories"


def quickstart_settings():
    """The options of `generate` in quickstart.sh, but for the seed and the prompt."""
    script = (HERE.parent / "quickstart.sh").read_text()
    options = re.search(r'settings="(.+)"', script)[1]
    return options, re.search(r'beginning="(.+)"', script)[1]


def story(generate, model, settings, prompt, seed):
    command = [generate, "--model", model, "--prompt", prompt, *shlex.split(settings), "--seed", str(seed)]
    return prompt + subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().rstrip()


def quoted(text):
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def first_is_a(models, number):
    """Whether the first model is A in this pair: a coin that falls the same way every time."""
    return hashlib.sha256(f"{models} {number}".encode()).digest()[0] % 2 == 0


def card(args):
    settings, prompt = quickstart_settings()
    settings = (args.settings or [settings])[0]
    page = HERE / "README.md"
    text = page.read_text()
    stories = "\n".join(f"\n### Seed {seed}\n\n{quoted(story(args.generate, HERE, settings, prompt, seed))}" for seed in range(1, 21))
    introduction = f"""{TITLE}

Seeds 1 to 20 at the quickstart's settings, not picked; written here by `python stories.py card GENERATE`. A story ends at 200 tokens
if the model does not end it before, with `<|endoftext|>`.

```sh
generate --model examples/fairy-tales --prompt "{prompt}" {settings} --seed 1
```
"""
    page.write_text(text[: text.index(TITLE)] + introduction + stories + "\n")


def pairs(args):
    settings, prompt = quickstart_settings()
    both = args.settings or [settings]
    settings = [both[0], both[-1]]
    print("# Pairs of stories\n\nWhich of the two is the better story? Answer with one line for each pair, such as `7 A`.")
    for number in range(1, 21):
        order = [0, 1] if first_is_a(args.models, number) else [1, 0]
        print(f"\n## Pair {number}")
        for name, which in zip("AB", order):
            print(f"\n### {number} {name}\n\n{quoted(story(args.generate, args.models[which], settings[which], prompt, number))}", flush=True)


def count(args):
    answers = dict(re.findall(r"(?m)^\W*(\d+)\W+([AB])\b", sys.stdin.read()))
    first = sum((answer == "A") == first_is_a(args.models, int(number)) for number, answer in answers.items())
    print(f"{args.models[0]}: {first} of {len(answers)}\n{args.models[1]}: {len(answers) - first} of {len(answers)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", action="append", help="options of generate; a second time: those of the second model")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("card")
    command.add_argument("generate")
    command.set_defaults(run=card)
    command = commands.add_parser("pairs")
    command.add_argument("generate")
    command.add_argument("models", nargs=2)
    command.set_defaults(run=pairs)
    command = commands.add_parser("count")
    command.add_argument("models", nargs=2)
    command.set_defaults(run=count)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
