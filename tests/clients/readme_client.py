"""Runs the commands of examples/serve/README.md whose blocks have the line <!-- client: sh --> or <!-- client: python --> before them."""
import re
import subprocess
import sys

from support import KEY, ROOT, check, url

page = (ROOT / "examples/serve/README.md").read_text()
blocks = re.findall(r"^<!-- client: (sh|python) -->\n```\w+\n(.*?)^```", page, re.M | re.S)
check(len(blocks) >= 3, "there are blocks to run")
for language, text in blocks:
    text = text.replace("http://127.0.0.1:8080", url()).replace('api_key="any"', f'api_key="{KEY}"')
    text = text.replace("curl ", f"curl -sS --fail-with-body -H 'Authorization: Bearer {KEY}' ")
    command = ["bash", "-ec", text] if language == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout)
    check(done.returncode == 0 and done.stdout.strip(), f"this block runs:\n{text}\n{done.stderr}")
print(f"readme: passed, {len(blocks)} blocks")
