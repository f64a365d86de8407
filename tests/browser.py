"""A page opened in headless Chromium: what it looks like from inside, and what its console says."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr", "--dump-dom",
)  # fmt: skip
# Runs in a copy of the page, after everything else in it.
_LOOK = """
<script>
addEventListener("load", () => {
  const sizes = [...document.querySelectorAll("figure")].map((figure) => {
    const box = figure.querySelector("svg").getBoundingClientRect();
    return {name: figure.id, label: figure.getAttribute("aria-label"), width: box.width, height: box.height,
            right: box.right, shown: figure.checkVisibility()};
  });
  const table = document.querySelector("table");
  const column = () => [...table.tBodies[0].rows].map((row) => row.cells[1].dataset.value);
  const button = table.tHead.rows[0].cells[1].querySelector("button");
  const before = column();
  button.click();
  const ascending = column();
  button.click();
  const style = getComputedStyle(document.body);
  const found = {
    width: innerWidth, content: document.documentElement.scrollWidth, figures: sizes, before, ascending,
    descending: column(), dark: matchMedia("(prefers-color-scheme: dark)").matches,
    paper: style.backgroundColor,
    ink: getComputedStyle(document.querySelector("figure svg text")).fill,
    ids: [...document.querySelectorAll("[id]")].map((one) => one.id),
    fetched: performance.getEntriesByType("resource").map((one) => one.name),
  };
  parent.document.getElementById("told").textContent = JSON.stringify(found);
});
</script>
"""


def look(page: Path, folder: Path, *, width: int, dark: bool) -> tuple[dict[str, Any], list[str]]:
    """Open a copy of a page, in a frame: the browser's own window can't be as narrow as a phone.

    Args:
        page: The page.
        folder: For the copy and the browser's profile.
        width: Of the frame, in CSS pixels.
        dark: Whether the user prefers dark colours.

    Returns:
        What the page tells of itself, and the lines of its console.
    """
    assert CHROMIUM is not None
    inner = html.escape(page.read_text(encoding="utf-8").replace("</body>", f"{_LOOK}</body>"))
    copy = folder / "copy.html"
    copy.write_text(
        '<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><pre id="told">'
        f'</pre><iframe style="border: 0; width: {width}px; height: 900px" srcdoc="{inner}"></iframe>',
        encoding="utf-8",
    )
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [CHROMIUM, *_FLAGS, scheme, profile, "--window-size=1400,1000", copy.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    told = re.search(r'<pre id="told">(.+?)</pre>', done.stdout, re.DOTALL)
    assert told is not None, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(told.group(1))), console
