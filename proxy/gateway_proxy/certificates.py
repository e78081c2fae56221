"""The certificate that the service port shows: read from a mounted Secret, and again when the Secret changes."""

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway_proxy.files import FileSignature, file_signature
from gateway_proxy.telemetry.metrics import CertificateState

log = logging.getLogger(__name__)

CERTIFICATE_FILE: Final = "tls.crt"
KEY_FILE: Final = "tls.key"
"""The names in a Secret of type kubernetes.io/tls."""
POLL_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 10.0
"""A pair that could not be used is tried again after so long, though nothing seems to have changed."""


class CertificateError(Exception):
    """No pair that can be served; the message is one line without anything of the key."""


class ServedCertificate:
    """Follows a directory. `context` stays the same object; each handshake gets the newest usable pair."""

    def __init__(self, directory: Path, *, state: CertificateState) -> None:
        """Reads the first pair; raises CertificateError."""
        self._directory = directory
        self._state = state
        self._signature = self._signed()
        self._newest = self.context = self._read()
        self.context.sni_callback = self._choose
        state.loaded()
        self._reported: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="certificate", daemon=True)

    def follow(self) -> None:
        """Begins to follow the directory; to be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        waited = 0.0
        while not self._stopping.wait(POLL_SECONDS):
            waited += POLL_SECONDS
            signature = self._signed()
            if signature == self._signature and (self._reported is None or waited < RETRY_SECONDS):
                continue
            self._signature, waited = signature, 0.0
            try:
                fresh = self._read()
            except CertificateError as error:
                self._refuse(str(error))
            except Exception as error:
                # This thread must outlive whatever it meets: else a certificate would expire unnoticed.
                log.exception("loading the certificate failed", extra={"event": "tls.load_error"})
                self._refuse(f"{type(error).__name__} while it was loaded")
            else:
                self._newest = fresh
                self._reported = None
                self._on_loop(self._state.loaded)
                log.info("serving a new certificate", extra={"event": "tls.loaded"})

    def _refuse(self, message: str) -> None:
        self._on_loop(self._state.failed)
        if message != self._reported:
            self._reported = message
            log.error("the certificate before is served on: %s", message, extra={"event": "tls.refused"})

    def _on_loop(self, action: Callable[[], None]) -> None:
        assert self._loop is not None, "follow() sets it before the thread runs"
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:
            self._stopping.set()  # the loop has closed: the process is ending

    def _choose(self, handshake: ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
        """Called in each handshake, whether or not the client names a server."""
        handshake.context = self._newest

    def _version(self) -> Path:
        """The directory of one version of the Secret: the kubelet swaps both files by one link, and following it once
        never pairs a new certificate with an old key."""
        try:
            return (self._directory / "..data").resolve(strict=True)
        except OSError:
            return self._directory

    def _signed(self) -> tuple[FileSignature | None, ...]:
        version = self._version()
        return file_signature(version / CERTIFICATE_FILE), file_signature(version / KEY_FILE)

    def _read(self) -> ssl.SSLContext:
        version = self._version()
        for name in (CERTIFICATE_FILE, KEY_FILE):
            try:
                (version / name).open("rb").close()
            except OSError as error:
                raise CertificateError(
                    f"{self._directory / name}: {error.strerror}; the directory must hold {CERTIFICATE_FILE} and "
                    f"{KEY_FILE}, as a Secret of type kubernetes.io/tls does"
                ) from error
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # An encrypted key would else ask for its password at a terminal.
            context.load_cert_chain(version / CERTIFICATE_FILE, version / KEY_FILE, password=lambda: "")
        except (ssl.SSLError, OSError, ValueError) as error:
            raise CertificateError(
                f"{CERTIFICATE_FILE} and {KEY_FILE} in {self._directory} are no usable pair ({_plain(error)}): "
                f"put the certificate with its chain and its unencrypted key there, both as PEM"
            ) from error
        return context


def _plain(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return "the key is not the certificate's"
    return str(reason or "not PEM").lower().replace("_", " ")
