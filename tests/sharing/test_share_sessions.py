"""Share sessions, request by request."""

from odradek.protocol.errors import ErrorCode
from odradek_broker.sharing.sessions import SessionKey, ShareSession, ShareSessions

KEY = SessionKey("g", "m")
T = (b"t" * 16, 0)


def begun(sessions: ShareSessions) -> ShareSession:
    session = sessions.begin(KEY, 0, 10)
    assert isinstance(session, ShareSession)
    return session


def test_fetches_and_acknowledgements_count_up_together() -> None:
    sessions = ShareSessions()
    session = begun(sessions)
    assert sessions.begin(KEY, 1, 10) is session
    assert sessions.go_on(KEY, 2) is session
    assert sessions.go_on(KEY, 2) is ErrorCode.INVALID_SHARE_SESSION_EPOCH
    assert sessions.begin(KEY, 3, 10) is session


def test_a_session_that_is_not_there_is_not_gone_on_with() -> None:
    sessions = ShareSessions()
    assert sessions.begin(KEY, 1, 10) is ErrorCode.SHARE_SESSION_NOT_FOUND
    assert sessions.begin(KEY, -1, 10) is ErrorCode.SHARE_SESSION_NOT_FOUND
    assert sessions.go_on(KEY, 0) is ErrorCode.INVALID_SHARE_SESSION_EPOCH


def test_the_last_request_ends_the_session() -> None:
    sessions = ShareSessions()
    session = begun(sessions)
    assert sessions.go_on(KEY, -1) is session
    assert sessions.go_on(KEY, 1) is ErrorCode.SHARE_SESSION_NOT_FOUND


def test_a_new_session_takes_the_place_of_the_one_before_and_room_is_bounded() -> None:
    sessions = ShareSessions()
    first = begun(sessions)
    second = sessions.begin(KEY, 0, 1)
    assert isinstance(second, ShareSession)
    assert not sessions.end(first)
    assert sessions.begin(SessionKey("g", "other"), 0, 1) is ErrorCode.SHARE_SESSION_LIMIT_REACHED
    assert sessions.end(second)
    assert len(sessions) == 0


def test_whoever_keeps_something_for_a_session_hears_of_its_end() -> None:
    sessions, heard = ShareSessions(), list[str]()
    begun(sessions).on_end = lambda: heard.append("replaced")
    begun(sessions).on_end = lambda: heard.append("over")
    assert heard == ["replaced"]
    sessions.go_on(KEY, -1)
    assert heard == ["replaced", "over"]


def test_who_was_served_comes_last_the_next_time() -> None:
    session = begun(ShareSessions())
    other = (b"u" * 16, 0)
    session.update([T, other])
    session.served(T)
    assert list(session.wanted) == [other, T]
    session.update([], [other])
    assert list(session.wanted) == [T]


def test_what_a_group_fetches_is_what_any_of_its_members_does() -> None:
    sessions, other = ShareSessions(), (b"u" * 16, 0)
    first, second = begun(sessions), sessions.begin(SessionKey("g", "other"), 0, 10)
    assert isinstance(second, ShareSession)
    first.update([T, other])
    second.update([T, T])
    assert sessions.is_wanted("g", T) and sessions.is_wanted("g", other) and not sessions.is_wanted("h", T)
    first.update([], [other, other])
    assert not sessions.is_wanted("g", other)
    assert sessions.end(first)
    assert sessions.is_wanted("g", T), "the other still fetches it"
    first.update([other])
    assert not sessions.is_wanted("g", other), "a session that is over counts no more"
    assert sessions.go_on(SessionKey("g", "other"), -1) is second
    assert not sessions.is_wanted("g", T)


def test_a_session_in_place_of_another_wants_what_it_says_itself() -> None:
    sessions = ShareSessions()
    begun(sessions).update([T])
    begun(sessions)
    assert not sessions.is_wanted("g", T)
