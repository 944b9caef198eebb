"""llm, the command, with a model of extra-openai-models.yaml: a prompt, a conversation that goes on, a stream."""
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tempfile

from support import KEY, check, same, url

base = f"{url()}/v1"
with tempfile.TemporaryDirectory() as directory:
    pathlib.Path(directory, "extra-openai-models.yaml").write_text(
        f"- model_id: tales\n  model_name: any\n  api_base: {base}\n  api_key_name: tales\n")
    llm = pathlib.Path(sys.executable).parent / "llm"

    def run(*arguments):
        return subprocess.run([llm, *arguments], env={**os.environ, "LLM_USER_PATH": directory},
                              check=True, stdout=subprocess.PIPE, text=True).stdout

    options = ("-m", "tales", "--key", KEY, "-o", "temperature", "0", "-o", "max_tokens", "20")
    streamed = run("The wolf said", *options)
    check(streamed.strip(), "a text")
    same(run("The wolf said", "--no-stream", *options).strip(), streamed.strip(), "the text without a stream")
    check(run("-c", "Then the goat said", "--key", KEY, "-o", "max_tokens", "20").strip(), "a conversation that goes on")
print(f"llm {importlib.metadata.version('llm')}: passed")
