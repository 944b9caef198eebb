"""instructor: objects by JSON Schema and by a tool that must be called."""
import importlib.metadata

import instructor
import openai
from pydantic import BaseModel, ConfigDict, Field

from support import KEY, check, url

client = openai.OpenAI(base_url=f"{url()}/v1", api_key=KEY, max_retries=0)


class Animal(BaseModel):
    """An animal of a tale."""
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=10)
    legs: int = Field(ge=0, le=8)


for mode in (instructor.Mode.JSON_SCHEMA, instructor.Mode.TOOLS):
    found = instructor.from_openai(client, mode=mode).create(
        model="any", response_model=Animal, messages=[{"role": "user", "content": "The fox had four legs."}], max_tokens=200, max_retries=0)
    check(isinstance(found, Animal), f"an object by {mode}")
print(f"instructor {importlib.metadata.version('instructor')}: passed")
