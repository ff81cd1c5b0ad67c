"""Starts `postlet dev`, fills it with mail, runs schemathesis against it, and stops it.

    schemathesis.py POSTLET SCRATCH CASES

Ends with 0 where every check of at least CASES cases held.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

# Of the 40 operations, 8 have no input and are called once, and 6 are called 100 times at most
# (schemathesis.toml). The others share CASES. Some end before their share, when no more different
# cases are found; those 14, the examples, the coverage phase and the stateful phase add about
# 2,900, which makes up for it.
OPERATIONS = 26


class Host:
    def __init__(self, program, log):
        command = [program, "dev", "--json", "--listen", "127.0.0.1:0"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.child.stdout.readline()
        if not line:
            sys.exit("the host is not ready")
        ready = json.loads(line)
        self.url, self.token = ready["url"], ready["token"]

    def call(self, method, path, body=None):
        head = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, head, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def stop(self):
        self.child.terminate()
        self.child.wait(timeout=120)


def dictionaries(host):
    """What exists, by the names that the configuration uses."""
    content = {"filename": "a.txt", "content": "aGVsbG8="}
    submissions = []
    for number in range(60):
        draft = {"to": [{"email": "bob@mailroom.test"}], "subject": f"Message {number}", "text": "Hello"}
        draft |= {"html": "<p>Hello</p>", "attachments": [content]}
        submissions.append(host.call("POST", "/v1/accounts/bob/send", draft)["submissionId"])
    for _ in range(120):
        page = host.call("GET", "/v1/accounts/bob/messages?limit=100")
        if len(page["messages"]) >= len(submissions):
            break
        time.sleep(0.5)
    messages = [message["id"] for message in page["messages"]]
    spare = []
    for number in range(20):
        server = {"host": "mail.example.com", "port": 993, "security": "tls"}
        account = {"id": f"spare-{number}", "email": "spare@example.com", "password": "x", "imap": server}
        spare.append(host.call("POST", "/v1/accounts", account)["id"])
    token = {"scopes": ["read"]}
    return {
        "accounts": ["bob", "bob", "bob", "anna"],
        "messages": messages[:20],
        "spare-messages": messages[20:],
        "submissions": submissions,
        "numbers": ["1", "1", "2"],
        "paths": ["1", "1.1", "1.2", "2", "9.9"],
        "domains": ["gmail.com", "qq.com", "163.com", "mailroom.test"],
        "emails": ["you@gmail.com", "you@qq.com", "you@163.com"],
        "files": host.call("GET", "/-/wit")["files"],
        "tokens": [host.call("POST", "/v1/tokens", token)["id"] for _ in range(20)],
        "spare-accounts": spare,
    }


def configured(host, cases):
    here = pathlib.Path(__file__)
    text = f"hooks = {json.dumps(str(here.with_name('schemathesis_hooks.py')))}\n"
    text += here.with_suffix(".toml").read_text()
    text += f"\n[generation]\nmax-examples = {max(1, cases // OPERATIONS)}\n"
    for name, values in dictionaries(host).items():
        text += f"\n[dictionaries.{name}]\nvalues = {json.dumps(values)}\n"
    return text


def main(program, scratch, cases):
    scratch = pathlib.Path(scratch)
    with open(scratch / "host.log", "w") as log:
        host = Host(program, log)
        try:
            config = scratch / "schemathesis.toml"
            config.write_text(configured(host, cases))
            command = [str(pathlib.Path(sys.executable).with_name("st")), "--config-file", str(config)]
            command += ["run", f"{host.url}/-/openapi.json", "--no-color"]
            command += ["-H", f"Authorization: Bearer {host.token}"]
            if seed := os.environ.get("POSTLET_SEED"):
                command += ["--seed", seed]
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=scratch)
            print(run.stdout)
        finally:
            host.stop()
    logged = (scratch / "host.log").read_text()
    if "panicked" in logged:
        sys.exit(f"the host panicked:\n{logged}")
    made = re.search(r"(\d[\d,]*) generated", run.stdout)
    made = int(made[1].replace(",", "")) if made else 0
    if run.returncode == 0 and made < cases:
        sys.exit(f"{made} cases are fewer than {cases}")
    print(f"{made} cases")
    sys.exit(run.returncode)


# So that the host is stopped in that case, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
