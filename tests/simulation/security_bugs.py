"""Bugs in logins and permissions, to be planted; see planted_bugs.py.

Most are seen by the walk of security_walk.py; those that need a peer who does not keep to the protocol, or a clock of
its own, by the test that is named.
"""

from __future__ import annotations

from bug import Bug, planted

WALK = ("tests/simulation/security_walk.py", "0", "40")
AUTHORIZER, INDEX = "security/authorizer.py", "security/acl_index.py"


def _test(name: str) -> tuple[str, ...]:
    """A file of tests, or some of its tests, as pytest names them."""
    return ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-rfE", f"tests/{name}")


def _walked(name: str, file: str, before: str, after: str, *more: tuple[str, str, str]) -> Bug:
    return planted(name, file, before, after, *more, seen_by=WALK)


OF_PERMISSIONS = [
    _walked(
        "a prohibition loses to what a nearer pattern allows",
        AUTHORIZER,
        "                if grant.denied & denying:",
        "                if grant.denied & denying and allowed is None:",
    ),
    _walked(
        "a prohibition implies what a permission implies",
        AUTHORIZER,
        "allowing, denying = _allowed_by(operation), _denied_by(operation)",
        "allowing, denying = _allowed_by(operation), _allowed_by(operation)",
    ),
    _walked(
        "all operations are an operation of its own",
        AUTHORIZER,
        "    return 1 << operation | 1 << Operation.ALL",
        "    return 1 << operation",
    ),
    _walked(
        "whoever is called nearly like a super user is one",
        AUTHORIZER,
        "if asker.principal in self.super_users:",
        "if asker.principal.startswith(tuple(self.super_users)):",
    ),
    _walked(
        "an ACL for everybody is for nobody",
        AUTHORIZER,
        "dict.fromkeys((principal, EVERYBODY))",
        "dict.fromkeys((principal,))",
    ),
    _walked(
        "an ACL for every address is for none",
        AUTHORIZER,
        "(WILDCARD, *spellings(host))",
        "spellings(host)",
    ),
    _walked(
        "the address from which somebody asks is not looked at",
        "controller/acls.py",
        "        record.host,\n",
        '        "*",\n',
    ),
    _walked(
        "everybody may use what no ACL speaks of",
        AUTHORIZER,
        "Decision(self.allow_everyone_if_no_acl_found, ",
        "Decision(True, ",
    ),
    _walked("a prefixed pattern is a literal one", INDEX, "if length <= len(name):", "if length == len(name):"),
    _walked(
        "the wildcard is a name like any other",
        INDEX,
        "        if name != WILDCARD and every in self.patterns:",
        "        if False:",
    ),
    _walked(
        "what was permitted once is so for good",
        "apis/permissions/asking.py",
        "        if acls is not decided_by or",
        "        if decided_by is None or",
    ),
    _walked(
        "who may write once writes on",
        "apis/permissions/asking.py",
        "return self._node.image.acls is decided_by and (",
        "return (",
    ),
    _walked(
        "a check is skipped: of reading",
        "apis/api_01_fetch.py",
        "    return name is None or context.may",
        "    return True or context.may",
    ),
    _walked(
        "a check is skipped: of members of groups",
        "apis/permissions/table.py",
        '    "Heartbeat": (by_code, (group(Do.READ),)),',
        '    "Heartbeat": (by_code, ()),',
    ),
    _walked(
        "after a fail-over there are no ACLs",
        "controller/snapshot.py",
        "image.acls.by_id.items()",
        "()",
    ),
    _walked(
        "an ACL that was deleted stays",
        "controller/replay.py",
        "    draft.acls().remove(record.id)\n",
        "    pass\n",
    ),
    planted(
        "whoever connects may speak as a broker",
        "apis/permissions/table.py",
        "    brokers_only = cluster(Do.CLUSTER_ACTION)\n",
        "    brokers_only = cluster(Do.DESCRIBE)\n",
        seen_by=_test("apis/test_permissions.py"),
    ),
]

OF_LOGINS = [
    _walked(
        "the proof is not compared", "security/scram.py", "if self._keys is None or not fits:", "if self._keys is None:"
    ),
    _walked(
        "a broker remembers the passwords that it has heard of",
        "server/logins.py",
        "return broker.image.scram.get((number, user))",
        'return self.__dict__.setdefault("kept", {}).setdefault(user, broker.image.scram.get((number, user)))',
    ),
    _walked(
        "after a fail-over there are no users",
        "controller/snapshot.py",
        "image.scram.items()",
        "()",
    ),
    _walked(
        "a user that was removed stays",
        "controller/replay.py",
        "    del draft.scram()[(record.mechanism, record.name)]\n",
        "    pass\n",
    ),
    planted(
        "the nonce is not compared",
        "security/scram.py",
        'if not hmac.compare_digest(said["r"].encode(), self._nonce.encode()):',
        "if False:",
        seen_by=_test("security/test_scram.py"),
    ),
    planted(
        "secrets are compared byte by byte",
        "security/scram.py",
        "fits = hmac.compare_digest(digest(self._mechanism, client_key), keys.stored_key)",
        "fits = digest(self._mechanism, client_key) == keys.stored_key",
        seen_by=_test("security/test_scram.py"),
    ),
    planted(
        "each broker makes salts of nobody of its own",
        "server/logins.py",
        "broker.image.salts_of_nobody or self._secret",
        "self._secret",
        seen_by=_test("server/test_logins.py"),
    ),
    planted(
        "a password may be hashed once",
        "controller/scram_users.py",
        "if not LEAST_ITERATIONS <= change.iterations <= MOST_ITERATIONS:",
        "if not 0 < change.iterations <= MOST_ITERATIONS:",
        seen_by=_test("controller/test_scram_users.py"),
    ),
    planted(
        "who has not logged in may ask",
        "security/login.py",
        "if self.phase is Phase.OUT or api_key not in allowed:",
        "if self.phase is Phase.OUT:",
        seen_by=_test("security/test_login_phases.py"),
    ),
    planted(
        "a new login makes somebody else of a connection",
        "security/login.py",
        "if not self.is_pending and self._exchange.principal != self.principal:",
        "if False:",
        seen_by=_test("security/test_login_phases.py"),
    ),
    planted(
        "a session has no end",
        "security/login.py",
        "self._ends_ms = now_ms + lifetime_ms if lifetime_ms else None",
        "self._ends_ms = None",
        seen_by=_test("security/test_login_phases.py"),
    ),
    planted(
        "a token of any issuer is believed",
        "security/tokens.py",
        'if (is_signed or expected.issuer) and claims.get("iss") != expected.issuer:',
        "if False:",
        seen_by=_test("security/test_bearer_tokens.py"),
    ),
    planted(
        "an unsigned token is believed without a setting that says so",
        "security/tokens.py",
        'is_signed = not (expected.unsigned and header.get("alg") == "none" and not parts[2])',
        'is_signed = not (header.get("alg") == "none" and not parts[2])',
        seen_by=_test("server/test_keys_by_url.py"),
    ),
    planted(
        "a delegation token begets others",
        "apis/delegation_tokens.py",
        "caller.login is None or not caller.login.by_token",
        "caller.login is not None",
        seen_by=_test("server/test_delegation_token_answers.py"),
    ),
    planted(
        "whoever knows a delegation token may renew it",
        "controller/delegation_tokens.py",
        "if not token.is_in_the_hands_of(parse_principal(requester)):",
        "if not requester:",
        seen_by=_test("controller/test_delegation_tokens.py"),
    ),
    planted(
        "a session by a delegation token outlives it",
        "security/login.py",
        "if expires_ms is not None:",
        "if expires_ms is not None and session_ms > 0:",
        seen_by=_test("server/test_delegation_token_answers.py"),
    ),
    planted(
        "certificates that cannot be used are taken down",
        "apis/own_certificates.py",
        "if wrong is not None:",
        "if False:",
        seen_by=_test("server/test_certificates_by_config.py"),
    ),
    planted(
        "a key that was given while the broker runs is described",
        "apis/api_32_describe_configs.py",
        "value=None if is_secret else entry.value,",
        "value=entry.value,",
        seen_by=_test("server/test_certificates_by_config.py"),
    ),
    planted(
        "what is secret is told to nodes that nobody knows",
        "controller/configs.py",
        "if setting.type is PASSWORD and text and not config.is_guarded(between):",
        "if False:",
        seen_by=_test("server/test_certificates_by_config.py"),
    ),
    planted(
        "a rule for names in certificates need not fit to the end",
        "security/principal_mapping.py",
        "match = re.fullmatch(self.pattern, name)",
        "match = re.match(self.pattern, name)",
        seen_by=_test("tls/test_names_and_ciphers.py"),
    ),
]

OF_SECURITY = [*OF_PERMISSIONS, *OF_LOGINS]
