"""Requests to `mlxlens serve`, and a server of one's own. Of the standard library and NumPy alone."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
import weakref
from typing import Any

import numpy as np


class ServerError(RuntimeError):
    """What a server refused or could not do, in its words. status is HTTP's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Client:
    """A server at an address such as http://127.0.0.1:8642/, with the token of one that others reach."""

    def __init__(self, address: str, token: str | None = None, timeout: float = 600) -> None:
        address, _, in_address = address.partition("#token=")
        self.address = address.rstrip("/")
        self.token = token or in_address or None
        self.timeout = timeout

    def post(self, command: str, request: dict[str, Any]) -> bytes:
        """The answer of a command (docs/serve.md)."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        asked = urllib.request.Request(f"{self.address}/api/v1/{command}", json.dumps(request).encode(), headers)
        try:
            with urllib.request.urlopen(asked, timeout=self.timeout) as answer:
                return answer.read()
        except urllib.error.HTTPError as e:
            raise ServerError(e.code, _detail(e)) from None

    def info(self) -> dict[str, Any]:
        return json.loads(self.post("info", {}))

    def tokenize(self, text: str, bos: bool = True) -> list[dict[str, Any]]:
        return self._tokens({"text": text, "no_bos": not bos})

    def _tokens(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        return json.loads(self.post("tokenize", request))["tokens"]

    def text(self, ids: list[int]) -> list[str]:
        """What token ids stand for."""
        return [token["text"] for token in self._tokens({"ids": ",".join(map(str, ids))})]

    def string(self, ids: list[int]) -> str:
        """The text of token ids together, of which several may be one character."""
        tokens = self._tokens({"ids": ",".join(map(str, ids))})
        return b"".join(base64.b64decode(token["bytes"]) for token in tokens).decode(errors="replace")

    def capture(self, ids: list[int], places: list[str], edits: list[str]) -> dict[str, np.ndarray]:
        """Arrays of some places, by their names, in float32 and without an axis of the batch."""
        request = {"ids": ",".join(map(str, ids)), "keep": ",".join(places), "edit": edits, "format": "npz"}
        with np.load(io.BytesIO(self.post("capture", request)), allow_pickle=False) as arrays:
            return {place: np.asarray(arrays[place], dtype=np.float32) for place in places}


def _detail(e: urllib.error.HTTPError) -> str:
    text = e.read().decode(errors="replace")
    try:
        return json.loads(text)["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{e.code} {e.reason}: {text[:200]}"


class Server:
    """A `mlxlens serve` of this process's own, on a free port of this machine, until close or the process' end."""

    def __init__(self, model: str, program: str | None = None, arguments: tuple[str, ...] = ()) -> None:
        command = [program or find_program(), "serve", "--quiet", "--listen", "127.0.0.1:0", "--model", model, *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.close = weakref.finalize(self, _end, self._process)  # at the latest when Python ends
        self.address = self._process.stdout.readline().strip()  # once the model is there
        if not self.address:
            raise RuntimeError(f"{' '.join(command)}: ended with exit code {self._process.wait()}; what it said is on stderr")


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(timeout=60)
    process.stdout.close()


def find_program() -> str:
    """The program of the package mlxlens, or else the one that PATH has."""
    try:
        from mlxlens import PROGRAM
    except ImportError:
        PROGRAM = ""
    found = PROGRAM if os.path.exists(PROGRAM) else shutil.which("mlxlens")
    if not found:
        raise FileNotFoundError("there is no mlxlens: install the package mlxlens, put the program into PATH, or name it with program=")
    return found
