"""For schemathesis: what no schema can say of a request. A state is one that a server gave, a schema for the text is one that the library
takes, and there is a limit to prompts times n. (run.sh, SCHEMATHESIS_HOOKS)"""
import schemathesis


@schemathesis.hook
def filter_body(context, body):
    if not isinstance(body, dict):
        return True
    form = body.get("response_format")
    if body.get("state") or (isinstance(form, dict) and form.get("type") == "json_schema"):
        return False
    prompt, count = body.get("prompt"), body.get("n")
    prompts = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], (int, float)) else 1
    return not isinstance(count, (int, float)) or prompts * count <= 128
