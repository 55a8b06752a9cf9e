"""Headless Chromium by its debugging protocol over a pipe: what a page shows, asks for and logs."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium")
KEYS = {"ArrowLeft": 37, "ArrowRight": 39, "Tab": 9, "Enter": 13, "ArrowDown": 40}


class Browser:
    """One page in headless Chromium.

    Attributes:
        asked: URLs that the page asked for, without files and data.
        errors: what it wrote to its console, its exceptions and refused contents.
    """

    def __init__(self, profile):
        # Chromium reads commands from file 3 and answers on file 4
        read, self.into = os.pipe()
        self.out, write = os.pipe()
        options = (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-sync",
        )
        more = ("--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND")
        shell = f'exec "$0" "$@" 3<&{read} 4>&{write}'
        command = [CHROMIUM, *options, *more, f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            ["bash", "-c", shell, *command, "--remote-debugging-pipe"],
            pass_fds=(read, write),
            stderr=subprocess.DEVNULL,
        )
        os.close(read)
        os.close(write)
        self.number, self.buffer, self.session = 0, b"", None
        self.asked, self.errors, self.loaded = [], [], False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        actual = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = actual["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        """End the browser."""
        self.process.terminate()
        self.process.wait()
        os.close(self.into)
        os.close(self.out)

    def call(self, method, **parameters):
        """Send a command and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.into, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read(600)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def _read(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.out], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            self.buffer += os.read(self.out, 1 << 20)
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, event, given):
        if event == "Network.requestWillBeSent":
            url = given["request"]["url"]
            if not url.startswith(("file:", "data:", "about:")):
                self.asked.append(url)
        elif event == "Runtime.exceptionThrown":
            self.errors.append(given["exceptionDetails"])
        elif event == "Runtime.consoleAPICalled":
            self.errors.append(given["args"])
        elif event == "Log.entryAdded":
            self.errors.append(given["entry"]["text"])
        elif event == "Page.loadEventFired":
            self.loaded = True

    def open(self, file, width=1280, height=900, dark=False):
        """Open a file in a window of this size; a narrow one is a phone's."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.loaded = False
        self.call("Page.navigate", url=file.as_uri())
        while not self.loaded:
            self._read(600)

    def value(self, expression):
        """Return the value of a JavaScript expression, after what it waits for."""
        actual = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in actual, actual
        return actual["result"].get("value")

    def settle(self):
        """Wait until what was started is drawn."""
        self.value("new Promise(f => setTimeout(() => requestAnimationFrame(f), 60))")

    def press(self, key):
        """Press a key on the keyboard."""
        known = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **known, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)
        self.settle()

    def picture(self, path, selector=None):
        """Save a picture of the page, or of one element of it."""
        area = {}
        if selector:
            text = f"JSON.stringify(document.querySelector('{selector}').getBoundingClientRect())"
            box = json.loads(self.value(text))
            top = self.value("scrollY")
            clip = {"x": box["x"], "y": box["y"] + top, "scale": 1}
            area = {"clip": clip | {"width": box["width"], "height": box["height"]}}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, **area)
        path.write_bytes(base64.b64decode(shot["data"]))
