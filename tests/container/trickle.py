"""A client that posts one photo after the other, for as long as something else goes on."""

import threading
from collections import Counter
from types import TracebackType

import httpx

PAUSE_SECONDS = 0.1


class Trickle:
    """Posts in a thread of its own inside a `with` block; keeps every answer."""

    def __init__(self, address: str, photo: bytes) -> None:
        self.outcomes: Counter[str] = Counter()
        self.versions: list[int] = []
        self._address = address
        self._photo = photo
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._post)

    def __enter__(self) -> "Trickle":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _post(self) -> None:
        with httpx.Client(base_url=self._address, timeout=30, trust_env=False) as client:
            while not self._ended.wait(PAUSE_SECONDS):
                try:
                    answer = client.post("/predict", files={"file": self._photo})
                except httpx.TransportError as error:
                    self.outcomes[repr(error)] += 1
                    continue
                self.outcomes[str(answer.status_code)] += 1
                if answer.status_code == httpx.codes.OK:
                    self.versions.append(answer.json()["model"]["version"])
