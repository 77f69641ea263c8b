"""Print pages 2 and 3 of a page by Chromium's print preview: QUEUE FILE PROFILE.

The preview is a web page of Chromium; the script sets its fields, except for the printer, which is
the last one used. A line on standard input ends the program.
"""

import json
import os
import sys
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

PREVIEW = "chrome://print/"
# the fields are nested in shadow trees
FIELDS = """
const all = (root, wanted) => [...root.querySelectorAll('*')].flatMap(each => [
    ...(each.matches(wanted) ? [each] : []),
    ...(each.shadowRoot ? all(each.shadowRoot, wanted) : [])]);
const section = name => all(document, `print-preview-${name}`)[0].shadowRoot;
const choose = (field, value) => { field.value = value; field.dispatchEvent(new Event('change')); };
const write = (field, text) => {
    field.value = text; field.dispatchEvent(new Event('input', {bubbles: true, composed: true})); };
"""
READY = "all(document, '.action-button').some(each => !each.disabled)"
FAILED = "all(document, '*').some(each => each.textContent.trim() == 'Print preview failed.')"
STEPS = """
write(all(section('copies-settings'), 'input')[0], '3');
""", """
choose(section('pages-settings').querySelector('select'), '3');
""", """
write(all(section('pages-settings'), 'input')[0], '2-3');
""", """
choose(section('color-settings').querySelector('select'), 'bw');
""", """
const papers = section('media-size-settings').querySelector('print-preview-settings-select')
    .shadowRoot.querySelector('select');
choose(papers, [...papers.options].find(each => each.textContent.trim() == 'A5').value);
""", """
section('duplex-settings').querySelector('cr-checkbox').click();
""", """
choose(section('duplex-settings').querySelector('select'), '2');
"""  # fmt: skip
PRINT = "all(document, '.action-button')[0].click()"


class PreviewFailed(Exception):
    """A failure of Chromium's preview, which happens on a busy machine."""


class Preview:
    """The page of the preview, found by Chromium's debugging protocol, because it is not a tab."""

    def __init__(self, session: CDPSession, tab: Page) -> None:
        self._session, self._tab = session, tab
        self._answers: dict[int, dict[str, object]] = {}
        session.on("Target.receivedMessageFromTarget", self._received)
        while not (found := self._targets()):
            tab.wait_for_timeout(100)
        asked = {"targetId": found[0], "flatten": False}
        self._id = session.send("Target.attachToTarget", asked)["sessionId"]

    def _targets(self) -> list[str]:
        targets = self._session.send("Target.getTargets")["targetInfos"]
        return [each["targetId"] for each in targets if each["url"] == PREVIEW]

    def _received(self, event: dict[str, str]) -> None:
        message = json.loads(event["message"])
        self._answers[message.get("id")] = message

    def run(self, script: str) -> object:
        """Run a script; return the value of its last expression."""
        number = len(self._answers) + 1
        asked = {"expression": f"{{{FIELDS}{script}}}", "returnByValue": True}
        message = {"id": number, "method": "Runtime.evaluate", "params": asked}
        words = {"sessionId": self._id, "message": json.dumps(message)}
        self._session.send("Target.sendMessageToTarget", words)
        while number not in self._answers:
            self._tab.wait_for_timeout(50)
        result = self._answers[number]["result"]
        if "exceptionDetails" in result:
            sys.exit(json.dumps(result))
        return result["result"].get("value")

    def wait_ready(self) -> None:
        """Wait until the preview shows pages and nothing changes."""
        self._tab.wait_for_timeout(500)  # the last change takes a moment to begin
        while not self.run(READY):
            if self.run(FAILED):
                raise PreviewFailed
            self._tab.wait_for_timeout(100)


def print_page(browser: Browser, tab: Page) -> None:
    """Open the preview, set its fields one after the other, and print."""
    tab.goto(f"file://{page}")
    tab.evaluate("setTimeout(() => window.print(), 200)")
    preview = Preview(browser.new_browser_cdp_session(), tab)
    for step in STEPS:
        preview.wait_ready()
        preview.run(step)
    preview.wait_ready()
    preview.run(PRINT)


queue, page, profile = sys.argv[1:]
used = {"id": queue, "origin": "local", "account": "", "displayName": queue}
remembered = {"version": 2, "recentDestinations": [used], "isHeaderFooterEnabled": False}
sticky = {"appState": json.dumps(remembered)}
preferences = Path(profile) / "Default" / "Preferences"
preferences.parent.mkdir(parents=True)
preferences.write_text(json.dumps({"printing": {"print_preview_sticky_settings": sticky}}))
with sync_playwright() as playwright:
    context = playwright.chromium.launch_persistent_context(
        profile,
        executable_path="/usr/bin/chromium",
        headless=False,
        env=dict(os.environ),
        args=["--no-sandbox"],
    )
    assert context.browser
    try:
        print_page(context.browser, context.pages[0])
    except PreviewFailed:
        context.pages[0].close()  # closes the preview, too, as a person would
        print_page(context.browser, context.new_page())
    sys.stdin.readline()
    context.close()
