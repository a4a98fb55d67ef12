"""SCRAM, the broker's side.

Invariants
    The client's last message has to be for our nonce, and to prove that it has the password: each of the two.
    A user that there is not is asked for a proof like any other, with a salt that stays the same: who tries names
    learns nothing. Nor who tries the ids of delegation tokens.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from odradek.protocol.sasl.scram import (
    LEAST_ITERATIONS,
    TOKEN_AUTH,
    ScramKeys,
    attributes,
    decode_base64,
    digest,
    encode_base64,
    keyed,
    unescaped,
    xor,
)
from odradek_broker.security.delegation import SALT_BYTES, TokenAccount
from odradek_broker.security.principal import USER, Principal
from odradek_broker.security.refused import LoginRefused

LONGEST_NAME = 4096
EXTENSION = TOKEN_AUTH.partition("=")[0]


def no_token(token_id: str) -> None:
    """Where there are no delegation tokens."""


class ScramServer:
    """`keys_of` is asked once for a user's keys; None for one that there is not. `token_of` likewise for the id of a
    delegation token, which is named in the user's place.
    """

    def __init__(
        self,
        mechanism: str,
        keys_of: Callable[[str], ScramKeys | None],
        nonce: str,
        secret: bytes,
        token_of: Callable[[str], TokenAccount | None] = no_token,
    ) -> None:
        """`nonce`: random. `secret`: likewise, one for all logins of a cluster: salts of nobody are made of it."""
        self.principal: Principal | None = None
        self.expires_ms: int | None = None
        self.by_token = False
        self._acts_as: Principal | None = None
        self._token_of = token_of
        self._mechanism = mechanism
        self._keys_of = keys_of
        self._nonce = nonce
        self._secret = secret
        self.claimed = ""
        self._keys: ScramKeys | None = None
        self._gs2 = self._asked = self._answered = ""

    def step(self, token: bytes) -> bytes:
        try:
            text = token.decode()
            return self._finish(text) if self._answered else self._begin(text)
        except ValueError:
            raise self._refusal() from None

    def _begin(self, text: str) -> bytes:
        flag, acts_as, self._asked = text.split(",", 2)
        self._gs2 = f"{flag},{acts_as},"
        said = attributes(self._asked)
        if flag not in ("n", "y") or list(said)[:2] != ["n", "r"] or not said["r"]:
            raise ValueError("channel binding, or something that is no first message")
        self.claimed = unescaped(said["n"])
        if not 0 < len(self.claimed) <= LONGEST_NAME:
            raise ValueError("a name that nobody has")
        if acts_as and unescaped(acts_as.removeprefix("a=")) != self.claimed:
            raise LoginRefused(
                "Authentication failed: Client requested an authorization id that is different from username"
            )
        self._look_up(said)
        keys = self._keys or self._keys_of_nobody()
        self._nonce = said["r"] + self._nonce
        self._answered = f"r={self._nonce},s={encode_base64(keys.salt)},i={keys.iterations}"
        return self._answered.encode()

    def _look_up(self, said: Mapping[str, str]) -> None:
        """Whose password has to be proved, and who it is then."""
        self.by_token = said.get(EXTENSION, "").lower() == "true"
        if not self.by_token:
            self._keys, self._acts_as = self._keys_of(self.claimed), Principal(USER, self.claimed)
        elif (account := self._token_of(self.claimed)) is not None:
            self._keys, self._acts_as, self.expires_ms = account.keys, account.owner, account.expires_ms

    def _finish(self, text: str) -> bytes:
        without_proof, _, proof = text.rpartition(",p=")
        said = attributes(without_proof)
        if list(said)[:2] != ["c", "r"] or decode_base64(said["c"]) != self._gs2.encode():
            raise ValueError("not the channel that was begun")
        if not hmac.compare_digest(said["r"].encode(), self._nonce.encode()):
            raise ValueError("not our nonce")
        keys = self._keys or self._keys_of_nobody()
        message = f"{self._asked},{self._answered},{without_proof}".encode()
        client_key = xor(decode_base64(proof), keyed(self._mechanism, keys.stored_key, message))
        fits = hmac.compare_digest(digest(self._mechanism, client_key), keys.stored_key)
        if self._keys is None or not fits:
            raise ValueError("not the password")
        self.principal = self._acts_as
        return f"v={encode_base64(keyed(self._mechanism, keys.server_key, message))}".encode()

    def _keys_of_nobody(self) -> ScramKeys:
        made = keyed(self._mechanism, self._secret, self.claimed.encode())
        return ScramKeys(made[:SALT_BYTES], made, made, LEAST_ITERATIONS)

    def _refusal(self) -> LoginRefused:
        return LoginRefused(
            "Authentication failed during authentication due to invalid credentials with SASL mechanism "
            + self._mechanism
        )
