# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The page of the fleet in a real browser: nothing breaks out, nothing is fetched, all can be read and printed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _status as status
from tests.browser.chromium import Browser
from tests.unit.status.sample import NOW, dead, full, hostile, shown

pytestmark = pytest.mark.full

# Of every element with text of its own the contrast to what is behind it (WCAG 2: at least 4.5).
CONTRAST = """
(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = parse(c).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    const p = parse(c); if (p.length < 4 || p[3] > 0) return c; } return 'rgb(255, 255, 255)'; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || e.closest('title, desc')) continue;
    const svg = e.closest('svg');
    const fore = svg ? getComputedStyle(e).fill : getComputedStyle(e).color;
    const shape = svg && e.parentElement.querySelector(':scope > rect');
    const back = shape ? getComputedStyle(shape).fill : behind(e);
    const [a, b] = [light(fore), light(back)].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), e.textContent.slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
})()
"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as found:
        yield found


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    """The address of a page with three clusters, one of them hostile."""
    path = tmp_path / "fleet.html"
    path.write_text(status.page(status.fleet([shown(full()), dead(), hostile()], NOW)), encoding="utf-8")
    return path.as_uri()


def complaints(browser: Browser) -> list[str]:
    return [
        str(event["params"])
        for event in browser.events
        if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")
    ]


def test_hostile_names_stay_text_and_nothing_is_fetched(browser: Browser, fleet: str) -> None:
    browser.open(fleet)

    assert browser.evaluate("document.querySelectorAll('script, img, iframe, object, link').length") == 0
    assert browser.evaluate("document.title").startswith("Firewall clusters: ")
    assert browser.evaluate("document.body.textContent.includes('</style></title><script>')") is True
    handlers = (
        "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name))).length"
    )
    assert browser.evaluate(handlers) == 0
    requests = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert requests == [fleet]
    assert complaints(browser) == []


def test_the_browser_would_notice_a_name_that_broke_out(browser: Browser, fleet: str, tmp_path: Path) -> None:
    """The control of the test above: the same page with one name that was not escaped, and without the policy."""
    page = Path(fleet.removeprefix("file://")).read_text(encoding="utf-8")
    broken = re.sub(r"<meta http-equiv[^>]*>", "", page).replace("<main>", "<main><script>document.title='in'</script>")
    path = tmp_path / "broken.html"
    path.write_text(broken, encoding="utf-8")

    browser.open(path.as_uri())

    assert browser.evaluate("document.title") == "in"
    # And with it nothing runs, even if a name did break out.
    path.write_text(page.replace("<main>", "<main><script>document.title='in'</script>"), encoding="utf-8")
    browser.open(path.as_uri())
    assert browser.evaluate("document.title").startswith("Firewall clusters: ")
    assert complaints(browser) != []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_both_schemes(browser: Browser, fleet: str, scheme: str) -> None:
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(fleet)

    back = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") is (scheme == "light")
    found = browser.evaluate(CONTRAST)
    assert len(found) > 100
    assert found[0][0] >= 4.5, found[:5]


@pytest.mark.parametrize("width", [320, 800, 1600])
def test_the_page_fits_every_width(browser: Browser, fleet: str, width: int) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.open(fleet)

    # Wide tables scroll in their own frame.
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    small = browser.evaluate(
        "[...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect()).filter(r => r.width < 150).length"
    )
    assert small == 0


def test_the_drawing_keeps_its_text_inside(browser: Browser, fleet: str) -> None:
    browser.open(fleet)

    outside = browser.evaluate(
        """[...document.querySelectorAll('svg text')].filter(t => { const b = t.getBBox();
          const v = t.ownerSVGElement.viewBox.baseVal;
          const r = t.parentElement.querySelector(':scope > rect');
          const o = r ? r.getBBox() : v;
          return b.x < o.x || b.x + b.width > o.x + o.width || b.y < o.y || b.y + b.height > o.y + o.height;
        }).map(t => t.textContent)"""
    )
    assert outside == []


def test_what_assistive_technology_is_told(browser: Browser, fleet: str) -> None:
    browser.open(fleet)

    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    told = [(one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes if not one["ignored"]]
    images = [name for role, name in told if role in ("image", "img", "graphics-document")]
    assert len(images) == 3
    assert all(name for name in images)
    for role in ("table", "region", "navigation", "main", "columnheader", "rowheader"):
        found = [name for word, name in told if word == role]
        assert found, role
        assert role == "main" or all(found), role
    assert browser.evaluate("document.documentElement.lang") == "en"
    identities = browser.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(set(identities)) == len(identities)


def test_it_prints(browser: Browser, fleet: str) -> None:
    browser.call(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    browser.open(fleet)

    # Paper is white, also for somebody whose screen is dark.
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate(CONTRAST)[0][0] >= 4.5
    assert base64.b64decode(browser.call("Page.printToPDF")["data"]).startswith(b"%PDF-")
