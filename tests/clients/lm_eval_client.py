"""lm-eval's local-completions on a task like LAMBADA: each log-likelihood is the one that `score` gives, to 1e-4.

    python lm_eval_client.py http://HOST:PORT

LAMBADA_FILE is a file of {"text": …} lines, of which the first 40 are used; else it is sentences of this file. RWKV_SCORE is the
program `score`, and MODEL_DIR the model that the server has, if it is not the demo model.
"""
import importlib.metadata
import json
import os
import pathlib
import subprocess
import tempfile

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

import lm_eval
from lm_eval.tasks import TaskManager

from support import KEY, ROOT, check, url

TEXTS = [
    "There was once a poor miller who had a daughter. He told the king that she could spin straw into gold. The king called for the daughter",
    "The wolf came to the house of the seven kids and knocked. Open the door, he said, I am your mother",
    "The fox saw the crow in the tree with the cheese in its beak, and wished to have the cheese",
    "When the princess had gone to bed, the frog crept to her and said: I am tired, I want to sleep in your bed",
    "The king had three sons. The eldest went out into the world, and after him the second; at last went the third son",
    "The old woman had a stick, and with it she beat upon the ground, and up came a little man with a long beard. Who are you, said the old woman to the little man",
]
TASK = """
task: local_lambada
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{{{text.split(' ')[:-1]|join(' ')}}}}"
doc_to_target: "{{{{' ' + text.split(' ')[-1]}}}}"
metric_list: [{{metric: acc}}, {{metric: perplexity}}]
metadata: {{version: 1}}
"""
base = url()
with tempfile.TemporaryDirectory() as name:
    directory = pathlib.Path(name)
    file = directory / "texts.jsonl"
    if "LAMBADA_FILE" in os.environ:
        lines = pathlib.Path(os.environ["LAMBADA_FILE"]).read_text().splitlines()[:40]
    else:
        lines = [json.dumps({"text": text}) for text in TEXTS]
    file.write_text("\n".join(lines) + "\n")
    (directory / "local_lambada.yaml").write_text(TASK.format(file=file))
    os.environ["OPENAI_API_KEY"] = KEY
    results = lm_eval.simple_evaluate(
        model="local-completions",
        model_args=dict(model="any", base_url=f"{base}/v1/completions", tokenizer_backend="remote", auth_token=KEY, num_concurrent=4,
                        header={"Authorization": f"Bearer {KEY}"}),
        tasks=["local_lambada"], task_manager=TaskManager(include_path=str(directory), include_defaults=False), log_samples=True,
        bootstrap_iters=0)
    samples = results["samples"]["local_lambada"]
    check(len(samples) == len(lines), "every text was evaluated")

    worst = 0
    score = [os.environ.get("RWKV_SCORE", ROOT / "build/release/examples/score"), "--json", "--text-file", "-"]
    if "MODEL_DIR" in os.environ:
        score += ["--model", os.environ["MODEL_DIR"]]
    for sample in samples:
        context, target = sample["arguments"][0]
        counts = []
        for text in (context, context + target):
            scored = json.loads(subprocess.run(score, input=text, capture_output=True, text=True, check=True).stdout)
            counts.append(scored)
        new = len(counts[1]["ids"]) - len(counts[0]["ids"])
        expected = sum(counts[1]["log_probabilities"][-new:])
        found = float(sample["filtered_resps"][0][0])
        worst = max(worst, abs(found - expected))
        check(abs(found - expected) < 1e-4, f"the log-likelihood of {target!r}: expected {expected}, found {found}")
print(f"lm-eval {importlib.metadata.version('lm-eval')}: passed, {len(lines)} texts, accuracy {results['results']['local_lambada']['acc,none']:.2f}, "
      f"largest difference of a log-likelihood {worst:.1e}")
