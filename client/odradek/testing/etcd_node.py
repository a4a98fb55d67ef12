"""A member of etcd as a process of a cluster, on free ports, with its data beside the nodes'.

It ends with whoever has started it, also where that one is killed: as a broker does (`--with-parent`).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
from pathlib import Path
from typing import IO, Any

import trio

from odradek.security import NO_SECURITY, Security
from odradek.testing.node import NodeFailed

STARTS_WITHIN_SECONDS = 120.0
LOOK_AGAIN_SECONDS = 0.05
ASK_SECONDS = 1.0
KEPT_REVISIONS = 1000
"""etcd keeps what keys were before for ever, unless it is told not to; controllers never ask what was."""

WITH_PARENT = 'exec 3<&0 </dev/null; { cat <&3 >/dev/null; kill -9 0; } & exec 3<&-; exec "$@"'
"""For a shell that becomes etcd: beside it something waits for the end of standard input, and then ends both. That
cannot be asked of the kernel, as it would go by the thread that has begun etcd, not by the process."""


class EtcdNode:
    """Made with the ports that it is to have, for clients and for other members."""

    def __init__(
        self,
        directory: Path,
        client_port: int,
        peer_port: int,
        name: str = "odradek",
        security: Security = NO_SECURITY,
    ) -> None:
        """The only member, until `members` names the others too.

        With `security` over TLS its certificate is what every member shows, and its authority's are what they ask for.
        """
        self.name = name
        self.directory = directory
        self._security = security
        protocol = "https" if security.over_tls else "http"
        self.endpoint = f"{protocol}://127.0.0.1:{client_port}"
        self._peer = f"{protocol}://127.0.0.1:{peer_port}"
        self.members = [self]
        self._process: trio.Process | None = None
        self._is_paused = False
        self._lifeline: int | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    async def start(self) -> None:
        """Return when it answers, for which most members have to run.

        Raises NodeFailed, also where there is no etcd on this machine.
        """
        program = shutil.which("etcd")
        if program is None:
            raise NodeFailed(
                "there is no etcd on this machine: apt-get install etcd-server, or do without --journal etcd"
            )
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [program, f"--name={self.name}", f"--data-dir={self.directory / 'data'}"]
        command += [f"--listen-client-urls={self.endpoint}", f"--advertise-client-urls={self.endpoint}"]
        command += [f"--listen-peer-urls={self._peer}", f"--initial-advertise-peer-urls={self._peer}"]
        command += ["--initial-cluster=" + ",".join(f"{each.name}={each._peer}" for each in self.members)]
        command += ["--auto-compaction-mode=revision", f"--auto-compaction-retention={KEPT_REVISIONS}"]
        command += _over_tls(self._security) if self._security.over_tls else []
        with (self.directory / "server.log").open("ab") as log:
            self._process = await self._open(["/bin/sh", "-c", WITH_PARENT, "etcd", *command], log)
        with trio.move_on_after(STARTS_WITHIN_SECONDS):
            while True:
                if await trio.to_thread.run_sync(self._get, "is anybody there") is not None:
                    return
                await trio.sleep(LOOK_AGAIN_SECONDS)
        self.kill()
        raise NodeFailed("etcd did not start: see etcd/server.log")

    def kill(self) -> None:
        """SIGKILL; etcd has synced what it has acknowledged."""
        process, self._process, self._is_paused = self._process, None, False
        if process is not None and process.returncode is None:
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert process.returncode is not None
        self._leave_alone()

    async def _open(self, command: list[str], log: IO[bytes]) -> trio.Process:
        read_end, write_end = os.pipe()
        self._leave_alone()
        self._lifeline = write_end
        try:
            return await trio.lowlevel.open_process(
                command, stdin=read_end, stdout=log, stderr=log, start_new_session=True
            )
        finally:
            os.close(read_end)

    def _leave_alone(self) -> None:
        """Let go of the pipe by whose end it would see that we are gone."""
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            os.close(lifeline)

    def pause(self) -> None:
        """SIGSTOP: it is there and does nothing."""
        self._signal(signal.SIGSTOP)
        self._is_paused = True

    def resume(self) -> None:
        self._signal(signal.SIGCONT)
        self._is_paused = False

    async def set_full(self, full: bool) -> None:
        """As if its quota were used up, and as if somebody had made room. Raises NodeFailed."""
        await trio.to_thread.run_sync(self._set_full, full)

    async def leader(self, prefix: str) -> int | None:
        """The number of the node that is the active controller."""
        found = await trio.to_thread.run_sync(self._get, f"{prefix}/leader")
        values = (found or {}).get("kvs", ())
        return int(json.loads(base64.b64decode(values[0]["value"]))["node_id"]) if values else None

    def _set_full(self, full: bool) -> None:
        status = self._post("maintenance/status", {})
        if status is None:
            raise NodeFailed("etcd does not answer")
        member = status["header"]["member_id"]
        action = "ACTIVATE" if full else "DEACTIVATE"
        if self._post("maintenance/alarm", {"action": action, "memberID": member, "alarm": "NOSPACE"}) is None:
            raise NodeFailed("etcd does not take the alarm")

    def _signal(self, number: int) -> None:
        if self._process is None:
            raise NodeFailed("etcd is not running")
        os.kill(self._process.pid, number)

    def _get(self, key: str) -> dict[str, Any] | None:
        return self._post("kv/range", {"key": base64.b64encode(key.encode()).decode()})

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        from urllib.request import Request, urlopen  # email and http come with it, and most clusters have no etcd

        request = Request(f"{self.endpoint}/v3/{path}", json.dumps(body).encode())
        try:
            with urlopen(request, timeout=ASK_SECONDS, context=self._security.tls()) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return None


def _over_tls(security: Security) -> list[str]:
    """Flags of a member, for its clients and for the other members."""
    flags = []
    for prefix in ("", "peer-"):
        flags += [f"--{prefix}cert-file={security.ssl_cert_file}", f"--{prefix}key-file={security.ssl_cert_file}"]
        flags += [f"--{prefix}trusted-ca-file={security.ssl_ca_file}", f"--{prefix}client-cert-auth"]
    return flags
