"""The openai package: synchronous, asynchronous, streaming, embeddings, structured output, errors."""
import asyncio
import json
import time
from typing import Literal

import openai
from pydantic import BaseModel, Field

from support import KEY, check, metric, same, url

base = url()
client = openai.OpenAI(base_url=f"{base}/v1", api_key=KEY, max_retries=0)
model = client.models.list().data[0].id
same(client.models.retrieve(model).id, model, "the model by its name")

# Completions: every kind of prompt, n, stop, echo with log-probabilities, the same text for the same seed.
prompt = "Once upon a time there was a king who"
first = client.completions.create(model=model, prompt=prompt, max_tokens=20, temperature=0)
check(first.choices[0].text, "there is a text")
same(first.choices[0].finish_reason, "length", "why it ended")
same(first.usage.completion_tokens, 20, "the tokens of the answer")
several = client.completions.create(model=model, prompt=[prompt, "The wolf"], max_tokens=20, temperature=0, n=2)
same([choice.index for choice in several.choices], [0, 1, 2, 3], "the order of choices")
same([choice.text for choice in several.choices[:2]], [first.choices[0].text] * 2, "greedy texts")
seeded = [client.completions.create(model=model, prompt=prompt, max_tokens=20, temperature=1, top_p=0.9, seed=seed).choices[0].text
          for seed in (1, 1, 2)]
check(seeded[0] == seeded[1] != seeded[2], "a seed gives its text")
stop = first.choices[0].text[8:11]
stopped = client.completions.create(model=model, prompt=prompt, max_tokens=20, temperature=0, stop=[stop]).choices[0]
same((stopped.text, stopped.finish_reason), (first.choices[0].text.split(stop)[0], "stop"), "a text that was stopped")
echo = client.completions.create(model=model, prompt=prompt, max_tokens=2, temperature=0, echo=True, logprobs=3).choices[0]
check(echo.text.startswith(prompt), "an echo")
same("".join(echo.logprobs.tokens), echo.text, "the tokens of an echo")
same(echo.logprobs.token_logprobs[0], None, "the first token has no log-probability")
check(all(value <= 0 for value in echo.logprobs.token_logprobs[1:]), "log-probabilities")
check(all(len(top) >= 3 for top in echo.logprobs.top_logprobs[1:]), "alternatives")
same(len(echo.logprobs.text_offset), len(echo.logprobs.tokens), "a place for each token")

# Chat: whole and in a stream, with usage.
messages = [{"role": "user", "content": "Tell me of the fox."}]
options = dict(model=model, messages=messages, max_tokens=40, temperature=0.8, seed=7)
whole = client.chat.completions.create(**options)
text = whole.choices[0].message.content
chunks = list(client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True}))
same("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices), text, "a text in a stream")
same(chunks[0].choices[0].delta.role, "assistant", "the role comes first")
same([chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1], whole.choices[0].finish_reason, "why it ended")
same(chunks[-1].choices, [], "the last event has usage alone")
same(chunks[-1].usage.total_tokens, whole.usage.total_tokens, "usage in a stream")
with_logprobs = client.chat.completions.create(**options, logprobs=True, top_logprobs=2).choices[0].logprobs.content
same("".join(token.token for token in with_logprobs).lstrip(), text.lstrip(), "the tokens of a chat")
check(all(len(token.top_logprobs) == 2 for token in with_logprobs), "alternatives in a chat")

# A stream that is given up ends its request.
stream = client.completions.create(model=model, prompt=prompt, max_tokens=4000, temperature=1, stream=True)
next(iter(stream))
stream.close()
for _ in range(100):
    if metric(base, "rwkv_requests_running") == 0:
        break
    time.sleep(0.05)
else:
    check(False, "a request whose client has gone ends")

# Structured output.
class Animal(BaseModel):
    name: str = Field(max_length=12, pattern="^[A-Z][a-z]*$")
    kind: Literal["fox", "wolf", "bird"]
    legs: int = Field(ge=2, le=4)


parsed = client.chat.completions.parse(model=model, messages=messages, response_format=Animal, max_tokens=200, seed=3)
check(isinstance(parsed.choices[0].message.parsed, Animal), "JSON of a schema")
anything = client.chat.completions.create(model=model, messages=messages, response_format={"type": "json_object"}, max_tokens=400,
                                          temperature=0, logit_bias={})
if anything.choices[0].finish_reason == "stop":  # else it is only the beginning of an object
    check(isinstance(json.loads(anything.choices[0].message.content), dict), "a JSON object")

# Embeddings, in the form that the package asks for (base64) and as numbers.
texts = ["The fox ran away.", "A king had three sons."]
embeddings = client.embeddings.create(model=model, input=texts)
same([item.index for item in embeddings.data], [0, 1], "the order of embeddings")
numbers = client.embeddings.create(model=model, input=texts[0], encoding_format="float").data[0].embedding
check(max(abs(a - b) for a, b in zip(embeddings.data[0].embedding, numbers, strict=True)) < 1e-5, "base64 and numbers")
check(embeddings.usage.prompt_tokens > 0, "usage of embeddings")

# Errors, as the package's own.
for kind, action in [
        (openai.BadRequestError, lambda: client.completions.create(model=model, prompt=prompt, temperature=-1)),
        (openai.BadRequestError, lambda: client.chat.completions.create(model=model, messages=[])),
        (openai.NotFoundError, lambda: client.models.retrieve("another")),
        (openai.AuthenticationError, lambda: client.with_options(api_key="wrong").models.list())]:
    try:
        action()
    except kind as error:
        check(error.body["message"], "an error says something")
    else:
        check(False, f"{kind.__name__} is raised")


async def many():
    own = openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=KEY, max_retries=0)

    async def one(seed):
        stream = await own.chat.completions.create(**{**options, "seed": seed}, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    return await asyncio.gather(*(one(seed) for seed in [7, 8, 9, 10, 11, 12, 13, 7]))


texts = asyncio.run(many())
check(texts[0] == texts[-1] == text, "the same text beside others")
print(f"openai {openai.__version__}: passed")
