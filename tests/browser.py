"""A page in headless Chromium, driven over the pipe of its DevTools protocol: only Debian's package is needed."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 90           # seconds that an answer may take on a busy machine


class Page:
    """One tab. `requests`, `complaints`: addresses asked for, and what went to the console as a warning or an error."""

    def __init__(self, folder: Path):
        here, browser = os.pipe(), os.pipe()        # commands, answers
        self.write, self.read = here[1], browser[0]
        self.number, self.buffer, self.requests, self.complaints = 0, b"", [], []
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                   "--disable-background-networking", "--disable-component-update", "--no-first-run",
                   f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars", "about:blank"]

        def connect():
            os.dup2(here[0], 103)                   # out of the way of 3 and 4 first
            os.dup2(browser[1], 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        home = {"HOME": str(folder)} | {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CONFIG", "CACHE")}
        self.process = subprocess.Popen(command, preexec_fn=connect, close_fds=False, start_new_session=True,
                                        env=os.environ | home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(here[0])
        os.close(browser[1])
        self.session = None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **params) -> dict:
        """The answer to a command; whatever is told meanwhile is kept."""
        self.number += 1
        asked = {"id": self.number, "method": method, "params": params}
        asked |= {"sessionId": self.session} if self.session else {}
        os.write(self.write, json.dumps(asked).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            told = self.next(end)
            if told.get("id") == self.number:
                assert "error" not in told, f"{method}: {told['error']}"
                return told["result"]

    def next(self, end: float) -> dict:
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read], [], [], max(0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            self.buffer += os.read(self.read, 1 << 20)
        text, _, self.buffer = self.buffer.partition(b"\0")
        told = json.loads(text)
        params = told.get("params", {})
        if told.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif told.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif told.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif told.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
        self.loaded = getattr(self, "loaded", False) or told.get("method") == "Page.loadEventFired"
        return told

    def open(self, file: Path, width: int = 1280, height: int = 900, dark: bool = False, phone: bool = False) -> None:
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self("Emulation.setTouchEmulationEnabled", enabled=phone)
        self("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])     # a place asked for is reached at once
        self.loaded, self.requests, self.complaints = False, [], []
        self("Page.navigate", url=file.absolute().as_uri())
        end = time.monotonic() + PATIENCE
        while not self.loaded:
            self.next(end)

    def ask(self, expression: str):
        """The value of a JavaScript expression; a promise is waited for."""
        told = self("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait for a JavaScript expression to be true: a busy machine draws late."""
        end = time.monotonic() + PATIENCE
        while not self.ask(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)

    def picture(self, file: Path, whole: bool = False) -> None:
        """Of the window, or of the `whole` page down to 16,000 pixels."""
        size = self.ask("[innerWidth, Math.min(document.documentElement.scrollHeight, 16000)]")
        clip = {"clip": {"x": 0, "y": 0, "scale": 1, "width": size[0], "height": size[1]}} if whole else {}
        shot = self("Page.captureScreenshot", captureBeyondViewport=whole, **clip)
        file.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        for end in (self.write, self.read):
            os.close(end)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
