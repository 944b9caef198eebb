"""litellm: chat, streams, text completion, embeddings, structured output."""
import importlib.metadata
import json

import litellm

from support import KEY, check, same, url

litellm.telemetry = False
server = dict(api_base=f"{url()}/v1", api_key=KEY)
messages = [{"role": "user", "content": "The old woman said"}]
options = dict(model="openai/any", messages=messages, max_tokens=30, temperature=0, **server)
text = litellm.completion(**options).choices[0].message.content
check(text, "an answer")
same("".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(**options, stream=True)), text, "a stream")
plain = litellm.text_completion(model="text-completion-openai/any", prompt="Once upon a time", max_tokens=10, temperature=0, **server)
check(plain.choices[0].text, "a text")
schema = {"type": "object", "properties": {"legs": {"type": "integer", "minimum": 0, "maximum": 8}}, "required": ["legs"],
          "additionalProperties": False}
answer = litellm.completion(**{**options, "max_tokens": 100},
                            response_format={"type": "json_schema", "json_schema": {"name": "animal", "strict": True, "schema": schema}})
check(0 <= json.loads(answer.choices[0].message.content)["legs"] <= 8, "JSON of a schema")
embedding = litellm.embedding(model="openai/any", input=["The fox ran away."], **server)
check(len(embedding.data[0]["embedding"]) > 0, "an embedding")
try:
    litellm.completion(**{**options, "temperature": -1})
except litellm.BadRequestError:
    pass
else:
    check(False, "BadRequestError is raised")
print(f"litellm {importlib.metadata.version('litellm')}: passed")
