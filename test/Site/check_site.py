#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Builds the documentation site strictly and follows its links.

  check_site.py SOURCE_DIR SITE_DIR VENV_DIR

mkdocs-material is installed into VENV_DIR, once, at the versions below. Every link and image of every page of the site must lead to a file of
the site, and to an element of it if the link names one; pages load nothing from elsewhere.
"""
import hashlib
import html.parser
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.parse

REQUIREMENTS = ["mkdocs==1.6.1", "mkdocs-material==9.8.1", "pymdown-extensions==13.1"]


def make_environment(folder):
    """The environment's Python; made anew when requirements have changed."""
    stamp, ready = hashlib.sha256("\n".join(REQUIREMENTS).encode()).hexdigest(), folder / "ready"
    python = folder / "bin/python"
    if not ready.exists() or ready.read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS], check=True)
        ready.write_text(stamp)
    return python


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.names, self.loads = [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names |= {attributes[key] for key in ("id", "name") if attributes.get(key)}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        for key in ("src", "href"):
            if tag in ("img", "script", "link", "iframe", "source") and attributes.get(key):
                self.loads.append(attributes[key])


def check(site):
    """What is wrong with the site's links, one line each."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    problems, followed = [], 0
    for path, page in pages.items():
        if path.name == "404.html":  # Its links are absolute: it is served for any path.
            continue
        for link in page.links + page.loads:
            url = urllib.parse.urlsplit(link)
            if url.scheme in ("http", "https", "mailto") or url.netloc:
                if link in page.loads:
                    problems.append(f"{path}: loads {link}")
                continue
            if url.scheme in ("javascript", "data"):
                continue
            followed += 1
            target = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file() or site not in target.parents:
                problems.append(f"{path}: {link} leads nowhere")
            elif url.fragment and target in pages and urllib.parse.unquote(url.fragment) not in pages[target].names:
                problems.append(f"{path}: {link}: there is no such element")
    return problems, len(pages), followed


def main():
    source, site, venv = (pathlib.Path(path).resolve() for path in sys.argv[1:])
    python = make_environment(venv)
    environment = dict(os.environ, NO_MKDOCS_2_WARNING="1", PYTHONDONTWRITEBYTECODE="1")
    subprocess.run([python, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", source / "mkdocs.yml",
                    "--site-dir", site], check=True, env=environment)
    problems, pages, followed = check(site)
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(1)
    print(f"{pages} pages, {followed} links")


if __name__ == "__main__":
    main()
