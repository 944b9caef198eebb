"""What programs that cannot be run here ask of a server, written as their sources write it, and what they read of the answers: Open WebUI
(backend/open_webui/routers/openai.py, utils/task.py), Continue (core/llm/llms/OpenAI.ts, autocompletion) and gptel (gptel-openai.el).
Needs nothing but Python's standard library."""
import http.client
import json
import shutil
import subprocess
import urllib.parse

from support import KEY, check, same, url

base = url()
host = urllib.parse.urlsplit(base).netloc
BEARER = {"Authorization": f"Bearer {KEY}"}


def ask(method, path, body=None, headers=BEARER):
    """Status, type and text of an answer."""
    connection = http.client.HTTPConnection(host, timeout=120)
    connection.request(method, path, body if body is None else json.dumps(body), {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, response.headers["Content-Type"], text


def events(text):
    """What follows each "data: ", read as JSON; the last must be [DONE]."""
    lines = [line for line in text.split("\n") if line]
    check(all(line.startswith("data: ") for line in lines), f"nothing but data in a stream: {lines[:3]}")
    same(lines.pop(), "data: [DONE]", "the last event")
    return [json.loads(line[6:]) for line in lines]


def chat_text(chunks):
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


# Open WebUI: models, a chat whose usage it counts, the title of the chat, embeddings. Cookies and a name of the user may be there.
status, _, text = ask("GET", "/v1/models", headers={**BEARER, "X-OpenWebUI-User-Name": "A%20B", "X-OpenWebUI-User-Role": "admin"})
same(status, 200, "Open WebUI: models")
model = json.loads(text)["data"][0]["id"]
status, kind, text = ask("POST", "/v1/chat/completions", {
    "stream": True, "model": model, "messages": [
        {"role": "system", "content": "You tell tales."},
        {"role": "user", "content": [{"type": "text", "text": "Who lives in the forest?", "cache_control": {"type": "ephemeral"}}]}],
    "stream_options": {"include_usage": True}, "temperature": 0.8, "top_p": 0.9, "max_tokens": 12, "frequency_penalty": 0, "seed": 1,
    "stop": ["###"], "logit_bias": {"100": -50}, "reasoning": {"effort": "low"}, "features": {"web_search": False}, "session_id": "a", "chat_id": "b",
    "id": "c", "background_tasks": {"title_generation": True}, "keep_alive": None, "tool_ids": [], "params": {}, "model_item": {"id": model}})
same((status, "text/event-stream" in kind), (200, True), f"Open WebUI: a chat {text[:200]}")
chunks = events(text)
check(chat_text(chunks), "Open WebUI: a text")
check(chunks[-1]["usage"]["completion_tokens"] > 0 and chunks[-1]["choices"] == [], "Open WebUI: usage in an event of its own")
same([c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] in ("stop", "length"), True, "Open WebUI: why it ended")
for limit in ("max_tokens", "max_completion_tokens"):
    status, _, text = ask("POST", "/v1/chat/completions", {
        "model": model, "messages": [{"role": "user", "content": "### Task:\nGenerate a concise title."}], "stream": False, limit: 10,
        "metadata": {"task": "title_generation", "chat_id": "b"}})
    same(status, 200, "Open WebUI: a title")
    check(isinstance(json.loads(text)["choices"][0]["message"]["content"], str), "Open WebUI: the text of a title")
status, _, text = ask("POST", "/v1/embeddings", {"input": ["a fox"], "model": model, "encoding_format": "float", "user": "x"})
same((status, len(json.loads(text)["data"])), (200, 1), "Open WebUI: embeddings")

# Continue: models, a chat, completions while one types, whose stops are those of the model, of the file's language and its own. An image is refused.
BOTH = {**BEARER, "api-key": KEY, "x-api-key": KEY}
same(ask("GET", "/v1/models", headers=BOTH)[0], 200, "Continue: models")
status, _, text = ask("POST", "/v1/chat/completions", {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}, {"role": "assistant", "content": " "}, {"role": "user", "content": "Again"}],
    "model": "any", "max_tokens": 8, "temperature": 0.5, "stream": True, "parallel_tool_calls": False,
    "tools": [{"type": "function", "function": {"name": "read_file", "description": "d", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}}}]}, BOTH)
same(status, 200, f"Continue: a chat {text[:200]}")
same(bool(chat_text(events(text))), True, "Continue: a text")
stops = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>", "<|endoftext|>", "</fim_middle>", "</code>", "/src/", "#- coding: utf-8", "```", "\r\n\r\n"]
stops += [f"\n{word}" for word in ("function", "class", "module", "export", "import", "def", "with", "struct", "enum", "type", "interface", "package", "func")]
status, _, text = ask("POST", "/v1/completions", {"model": "any", "max_tokens": 16, "temperature": 0.01, "stop": stops, "prompt": "def f(x):\n    ", "stream": True}, BOTH)
same(status, 200, f"Continue: {len(stops)} stops {text[:200]}")
check(all("text" in choice for chunk in events(text) for choice in chunk["choices"]), "Continue: texts of a completion")
status, _, text = ask("POST", "/v1/chat/completions", {"model": "any", "stream": True, "messages": [{"role": "user", "content": [
    {"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}]}]}, BOTH)
same((status, "image_url" in json.loads(text)["error"]["message"]), (400, True), "Continue: an image is refused in words")

# gptel: by curl, with the arguments that it gives it.
if shutil.which("curl"):
    for stream in (True, False):
        body = {"model": "any", "messages": [{"role": "system", "content": "You live in Emacs."}, {"role": "user", "content": "Hello"}], "stream": stream, "temperature": 1.0, "max_tokens": 8}
        out = subprocess.run(
            ["curl", "--disable", "--location", "--silent", "--compressed", "-XPOST", "-y7200", "-Y1", "-D-", "-w(abc . %{size_header})", f"-d{json.dumps(body)}",
             "-HContent-Type: application/json", f"-HAuthorization: Bearer {KEY}", f"{base}/v1/chat/completions"], check=True, capture_output=True).stdout.decode()
        head, _, rest = out.partition("\r\n\r\n")
        check(head.startswith("HTTP/1.1 200"), f"gptel: {head}")
        rest = rest[:rest.rindex("(abc . ")]
        check(chat_text(events(rest)) if stream else json.loads(rest)["choices"][0]["message"]["content"], "gptel: a text")
else:
    print("gptel: SKIPPED, there is no curl")
print("recorded: passed")
