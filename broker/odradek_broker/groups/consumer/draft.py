"""What a heartbeat is about to make of a group: nothing of it holds before its records are replayed."""

from __future__ import annotations

from functools import cached_property

from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.member import ConsumerMember
from odradek_broker.groups.consumer.records import regex_record, regex_tombstone
from odradek_broker.groups.consumer.regexes import Resolved
from odradek_broker.groups.consumer.resolved_regex import ResolvedRegex
from odradek_broker.groups.step import Step
from odradek_broker.groups.topics import Topics


class Draft:
    """The group with one member as it is now; `epoch` and `assignment_epoch` rise as it is decided."""

    def __init__(
        self, group: ConsumerGroup, former: ConsumerMember, member: ConsumerMember, topics: Topics, step: Step
    ) -> None:
        self.group, self.former, self.member = group, former, member
        self.topics, self.step = topics, step
        self.epoch, self.assignment_epoch = group.epoch, group.assignment_epoch
        self.regexes = group.regexes
        self.regexes_changed = False

    @cached_property
    def members(self) -> dict[str, ConsumerMember]:
        """By id; one that is new, or in another's place as a static member, is among them."""
        return self.group.members_with(self.member)

    @property
    def subscription_changed(self) -> bool:
        """The member has subscribed to something else."""
        member, former = self.member, self.former
        return member.subscribed_topic_names != former.subscribed_topic_names or (
            member.subscribed_topic_regex or ""
        ) != (former.subscribed_topic_regex or "")

    def names_of(self, member: ConsumerMember) -> frozenset[str]:
        """The topics that a member has subscribed to, whether they exist or not."""
        found = self.regexes.get(member.subscribed_topic_regex or "")
        return member.subscribed_topic_names if found is None else member.subscribed_topic_names | found.topics

    def take_regexes(self, resolved: Resolved) -> None:
        """Take over what has been found out, and drop the expression that nobody uses any longer."""
        before, after = self.former.subscribed_topic_regex or "", self.member.subscribed_topic_regex or ""
        if before == after and not resolved.topics:
            return
        wanted = {each.subscribed_topic_regex for each in self.members.values()}
        self.regexes = dict(self.group.regexes)
        if before not in wanted and self.regexes.pop(before, None) is not None:
            self.step.records.append(regex_tombstone(self.group.group_id, before))
        for expression, topics in resolved.topics.items():
            if expression in wanted:
                known = self.regexes.get(expression)
                found = ResolvedRegex(topics, resolved.version, self.step.now.wall_ms)
                self.regexes[expression] = found
                self.regexes_changed |= known is None or known.topics != topics
                self.step.records.append(regex_record(self.group.group_id, expression, found))
