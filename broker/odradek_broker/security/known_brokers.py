"""Who is taken for a broker or a controller of this cluster, as far as no ACL says so.

    where the listener between brokers asks who comes   those who come as a broker would, or as a super user, by
                                                        whichever listener
    where it asks nobody                                whoever comes by it
Where no rule says who may, passwords and tokens of such names are theirs alone to give (`RequestContext.makes_broker`).
What brokers ask of each other tells all metadata, the keys of users too, and is believed: nobody else is to ask it.
"""

from __future__ import annotations

from msgspec import Struct

from odradek_broker.security.principal import Principal


class KnownBrokers(Struct, frozen=True):
    """As one node knows them by its settings."""

    listener: str
    """By which brokers reach this node."""
    asks_who_comes: bool
    """Whether somebody who comes by that listener is known by a login or a certificate."""
    own: frozenset[Principal] = frozenset()
    """As whom this node would come to another one: the others are taken to come as the same."""
    super_users: frozenset[Principal] = frozenset()

    def knows(self, principal: Principal, listener: str) -> bool:
        """`listener`: by which they came."""
        return (not self.asks_who_comes and listener == self.listener) or self.names(principal)

    def names(self, principal: Principal) -> bool:
        """Whether whoever comes as that is known, by whichever listener."""
        return principal in self.own or principal in self.super_users
