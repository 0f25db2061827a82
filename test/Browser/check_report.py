#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The HTML report in a browser: what it shows is what the JSON says, sorting, filtering, reading by keyboard and the
switch of colors work, no layer's name becomes markup, and nothing is logged or loaded.

  check_report.py TOOLS_DIR MODELS_DIR WORK_DIR

Needs Chromium (Debian: apt-get install chromium). Screenshots are left in WORK_DIR.
"""
import json
import pathlib
import shutil
import subprocess
import sys

from chromium import Browser, find_chromium

failures = []


def expect(what, actual, expected):
    if actual != expected:
        failures.append(f"{what}: {actual!r}, expected {expected!r}")


def make_report(tools, model, weights, passes, path, *also):
    subprocess.run([tools / "quant-opt", model / "model.mlir", f"--load-parameters=file={model / weights}",
                    f"--calibrate=data={model / 'calibration.txt'} max-samples=8", *passes, f"--write-report=file={path}",
                    *(f"--write-report=file={other}" for other in also), "-o", "/dev/null"],
                   check=True, stderr=subprocess.DEVNULL)


def column(browser, title):
    """The cells of a column of the table, in the order they are shown."""
    return browser.evaluate(f"""(() => {{
      const table = document.getElementById("table");
      const index = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === {json.dumps(title)});
      return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[index].firstChild.textContent);
    }})()""")


def click_head(browser, title):
    browser.evaluate(f"""[...document.querySelectorAll("#table thead button")]
      .find((button) => button.textContent === {json.dumps(title)}).click()""")


def background(browser):
    return browser.evaluate("getComputedStyle(document.body).backgroundColor")


def check_table(browser, report):
    layers = report["layers"]
    names = [layer["name"] for layer in layers]
    expect("rows", column(browser, "Layer"), names)
    expect("bits", column(browser, "Bits"), ["–" if layer["bits"] is None else str(layer["bits"]) for layer in layers])
    expect("tiles", browser.evaluate('document.querySelector("#summary dd").textContent').startswith(
        f"{sum(layer['bits'] is not None for layer in layers)} of {len(layers)}"), True)

    click_head(browser, "Error")
    by_error = sorted(range(len(layers)), key=lambda i: (layers[i]["error"] is None, layers[i]["error"] or 0, i))
    expect("ascending by error", column(browser, "Layer"), [names[i] for i in by_error])
    click_head(browser, "Error")
    by_error = sorted(range(len(layers)), key=lambda i: (layers[i]["error"] is None, -(layers[i]["error"] or 0), i))
    expect("descending by error", column(browser, "Layer"), [names[i] for i in by_error])
    expect("the head says so", browser.evaluate(
        '[...document.querySelectorAll("th[aria-sort=descending]")].map((head) => head.textContent).join()'), "Error")
    click_head(browser, "#")
    expect("the program's order again", column(browser, "Layer"), names)

    browser.evaluate("""(() => { const filter = document.getElementById("filter"); filter.value = "Q_PROJ";
      filter.dispatchEvent(new Event("input")); })()""")
    expect("filtered", column(browser, "Layer"), [name for name in names if "q_proj" in name])
    browser.evaluate("""(() => { const filter = document.getElementById("filter"); filter.value = "";
      filter.dispatchEvent(new Event("input")); })()""")


def check_charts(browser, report):
    count = lambda selector: browser.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")
    layers = report["layers"]
    expect("points of errors", count("#chart circle.now"), sum(layer["error"] is not None for layer in layers))
    expect("points of rounding to nearest", count("#chart circle.rtn"), sum(layer["error_rtn"] is not None for layer in layers))
    expect("bars", count("#chart rect.bits"), sum(layer["bits"] is not None for layer in layers))
    expect("dashed bars", count("#chart rect.float"), sum(layer["bits"] is None for layer in layers))
    # Higher errors are drawn higher.
    heights = browser.evaluate('[...document.querySelectorAll("#chart circle.now")].map((c) => -c.getAttribute("cy"))')
    errors = [layer["error"] for layer in layers if layer["error"] is not None]
    rank = lambda values: sorted(range(len(values)), key=values.__getitem__)
    expect("order of points", rank(heights), rank(errors))

    browser.evaluate('document.querySelector("#chart svg").focus()')
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    said = browser.evaluate('document.getElementById("chart-status").textContent')
    expect("read by keyboard", said.split(",")[0], layers[1]["name"])
    browser.press("Enter")
    expect("shown in the table", browser.evaluate('document.querySelector("tr.marked .layer").firstChild.textContent'),
           layers[1]["name"])
    browser.press("Escape")
    browser.evaluate('document.querySelector("tr.marked").classList.remove("marked"); document.activeElement.blur()')


def check_folds(browser, report, expected):
    """`expected`: words of the graph, one for all blocks."""
    words = browser.evaluate('[...document.querySelectorAll("#folds text")].map((t) => t.lastChild.textContent)')
    for word in expected:
        expect(f"{word} in the graph", word in words, True)
    lines = browser.evaluate('document.querySelectorAll("#folds path").length')
    star = lambda name: ".".join("*" if part.isdigit() else part for part in name.split("."))
    edges = {(star(name), star(layer["name"])) for layer in report["layers"]
             for transform in layer["transforms"] for name in transform["into"]}
    expect("lines of the graph", lines, len(edges))


def check_colors(browser):
    browser.prefer("light")
    light = background(browser)
    browser.prefer("dark")
    dark = background(browser)
    expect("the system's colors differ", light != dark, True)
    browser.evaluate('document.getElementById("theme").click()')
    expect("light by the button", (background(browser), browser.evaluate('document.getElementById("theme-name").textContent')),
           (light, "Light"))
    browser.evaluate('document.getElementById("theme").click()')
    expect("dark by the button", background(browser), dark)
    browser.prefer("light")
    expect("the button wins", background(browser), dark)


HOSTILE = ['</script><img src=x onerror="window.hacked=1">', "<!--<script>window.hacked=1</script>", "a&lt;b\u2028'\"`"]


def check_hostile(browser, page, work):
    """The same page with names that would be markup, put in as quant-opt writes them (lit tests that)."""
    text = page.read_text(encoding="utf-8")
    head, rest = text.split('<script type="application/json" id="report">')
    data, tail = rest.split("</script>", 1)
    report = json.loads(data)
    for layer, name in zip(report["layers"], HOSTILE):
        layer.update(name=name, reason=name, status="declined")
        layer["transforms"] = [{"method": name, "where": name, "into": [name]}]
    data = json.dumps(report, ensure_ascii=False)
    for c in "<>&":
        data = data.replace(c, f"\\u{ord(c):04x}")
    hostile = work / "hostile.html"
    hostile.write_text(f'{head}<script type="application/json" id="report">{data}</script>{tail}', encoding="utf-8")
    browser.open(hostile)
    expect("names are text", column(browser, "Layer")[:3], HOSTILE)
    expect("no markup of names", browser.evaluate("document.images.length + document.scripts.length + (window.hacked || 0)"), 2)


def main():
    tools, models, work = (pathlib.Path(path).absolute() for path in sys.argv[1:])
    chromium = find_chromium()
    if not chromium:
        sys.exit("there is no Chromium; Debian: apt-get install chromium")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    tiny = models / "tiny"
    make_report(tools, tiny, "weights-outliers.safetensors", ["--smoothquant", "--gptq"], work / "w8a8.html", work / "w8a8.json")
    make_report(tools, tiny, "weights.safetensors", ["--awq=bits=4 group-size=64 grid=4", "--gptq=embeddings=8 skip=layers\\.1\\."],
                work / "w4.html", work / "w4.json")
    folds = {"w8a8": ["model.layers.*.input_layernorm.weight  × 4", "model.layers.*.self_attn.o_proj  × 4"],
             "w4": ["model.layers.*.mlp.down_proj  × 4"]}

    browser = Browser(chromium)
    try:
        for name in ("w8a8", "w4"):
            report = json.loads((work / f"{name}.json").read_text())
            browser.prefer("light")
            browser.open(work / f"{name}.html")
            check_table(browser, report)
            check_charts(browser, report)
            check_folds(browser, report, folds[name])
            expect("table of embeddings", browser.evaluate('!document.getElementById("embeddings").hidden'),
                   bool(report["embeddings"]))
            browser.evaluate("scrollTo(0, 0)")
            browser.screenshot(work / f"{name}-light.png")
            check_colors(browser)
            browser.screenshot(work / f"{name}-dark.png")
            browser.evaluate('localStorage.removeItem("ptq-theme")')
        check_hostile(browser, work / "w4.html", work)
        # A model without layers.
        empty = work / "empty.mlir"
        empty.write_text("func.func @main() { return }\n")
        subprocess.run([tools / "quant-opt", empty, f"--write-report=file={work / 'empty.html'}", "-o", "/dev/null"], check=True)
        browser.open(work / "empty.html")
        expect("nothing to show", browser.evaluate('document.getElementById("chart-note").textContent'), "The model has no layers.")
        # A page that is no page of ours is no longer quiet: the check can fail.
        broken = work / "broken.html"
        broken.write_text((work / "w4.html").read_text().replace("drawSummary();\n", "drawSumary();\n"))
        quiet = list(browser.problems)
        browser.open(broken)
        expect("an altered script is refused", len(browser.problems) > len(quiet), True)
    finally:
        browser.close()
    for problem in quiet:
        failures.append(problem)
    for failure in failures:
        print("FAIL", failure)
    if failures:
        sys.exit(1)
    print("the report holds in", chromium)


if __name__ == "__main__":
    main()
