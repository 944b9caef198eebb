"""langchain-openai: answers, streams, structured output, embeddings."""
import importlib.metadata

from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel, ConfigDict, Field

from support import KEY, check, same, url

base = f"{url()}/v1"
chat = ChatOpenAI(base_url=base, api_key=KEY, model="any", max_tokens=30, temperature=0, seed=1, max_retries=0)
messages = [("system", "This is a tale."), ("human", "The princess said")]
answer = chat.invoke(messages)
check(answer.content and 0 < answer.usage_metadata["output_tokens"] <= 30, "an answer with its usage")
same("".join(chunk.content for chunk in chat.stream(messages)), answer.content, "a text in a stream")
same([one.content for one in chat.batch([messages, messages])], [answer.content] * 2, "a batch")

text = OpenAI(base_url=base, api_key=KEY, model="any", max_tokens=20, temperature=0, max_retries=0)
same("".join(text.stream("Once upon a time")), text.invoke("Once upon a time"), "a completion in a stream")


class Answer(BaseModel):
    """What is known of an animal."""
    model_config = ConfigDict(extra="forbid")
    legs: int = Field(ge=0, le=8)
    wild: bool


longer = ChatOpenAI(base_url=base, api_key=KEY, model="any", max_tokens=200, max_retries=0)
for method in ("json_schema", "function_calling"):
    found = longer.with_structured_output(Answer, method=method).invoke("A wolf.")
    check(isinstance(found, Answer), f"structured output by {method}")

# Texts are sent as they are: the package's own tokenizer is of other models.
embeddings = OpenAIEmbeddings(base_url=base, api_key=KEY, model="any", check_embedding_ctx_length=False)
vectors = embeddings.embed_documents(["The fox ran away.", "A king had three sons."])
same(len(vectors), 2, "embeddings")
check(max(abs(a - b) for a, b in zip(vectors[0], embeddings.embed_query("The fox ran away."), strict=True)) < 1e-5, "an embedding")
print(f"langchain-openai {importlib.metadata.version('langchain-openai')}: passed")
