# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads a report's page as a browser does: check_page.py PAGE NAME...

The page has one style and two scripts: the report's data, with layers of these names, and the code. The policy allows style
and code by their hashes.
"""
import base64
import hashlib
import html.parser
import json
import sys


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.texts, self.policy = None, {"style": [], "data": [], "code": []}, None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.open = None
        if tag == "style":
            self.open = "style"
        elif tag == "script":
            self.open = "data" if attributes.get("type") == "application/json" else "code"
        elif attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        if self.open:
            self.texts[self.open].append("")
        for name in attributes:
            assert not name.startswith("on") and name not in ("src", "style"), (tag, attributes)

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open:
            self.texts[self.open][-1] += data


path, *names = sys.argv[1:]
reader = Reader()
with open(path, encoding="utf-8", newline="") as file:
    reader.feed(file.read())
assert all(len(texts) == 1 for texts in reader.texts.values()), {k: len(v) for k, v in reader.texts.items()}
report = json.loads(reader.texts["data"][0])
assert [layer["name"] for layer in report["layers"]] == names, report["layers"]
for kind, directive in (("style", "style-src"), ("code", "script-src")):
    digest = base64.b64encode(hashlib.sha256(reader.texts[kind][0].encode()).digest()).decode()
    assert f"{directive} 'sha256-{digest}'" in reader.policy, (kind, digest, reader.policy)
