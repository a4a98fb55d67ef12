"""Every row of docs/limits.md with its tests, and everything in the code that outlives a request with its row.

A container of a class that is made in its `__init__`, one of a module, and a cache of a function: test_limits.py finds
them all. One that is new stands here with what bounds it, or it is a leak.
"""

from __future__ import annotations

TESTS = {
    "Members of a share group": (
        "groups/test_share_group.py::test_what_cannot_be_is_refused_and_leaves_nothing_behind",
    ),
    "Members of share groups that fetch from a broker": (
        "sharing/test_share_sessions.py::test_a_new_session_takes_the_place_of_the_one_before_and_room_is_bounded",
    ),
    "Records of a partition that a share group has in hand": (
        "sharing/test_share_partition.py::test_no_more_is_in_flight_than_locks_allow_until_some_is_done_with",
    ),
    "Deliveries of a record to a share group": (
        "sharing/test_share_partition.py::test_a_released_record_is_delivered_again_until_its_deliveries_are_used_up",
        "sharing/test_share_partition.py::test_a_record_is_delivered_alone_for_the_last_time",
    ),
    "Time that dead letters of a share partition may take": (
        "coordination/test_dead_letters.py::test_who_waits_for_dead_letters_is_answered_while_clients_wait",
    ),
    "What is stored of share groups": (
        "sharing/test_share_state.py::test_updates_are_folded_into_a_snapshot_now_and_then_and_replay_comes_to_the_same",
        "sharing/test_share_state.py::test_a_share_partition_that_is_idle_is_written_anew_so_that_others_can_be_deleted",
    ),
    "ACLs": ("controller/test_acl_decisions.py::test_what_would_be_too_much_in_all_is_refused_as_a_whole",),
    "Audit log": ("server/test_audit_log.py::test_the_files_stay_within_their_bound",),
    "Decisions that the audit log counts at a time": (
        "security/test_audit.py::test_beyond_what_is_told_apart_the_number_is_said",
        "security/test_audit.py::test_one_address_cannot_fill_the_log_however_many_things_it_asks_for",
    ),
    "Entities that have quotas": ("controller/test_quota_decisions.py::test_no_more_entities_than_that_have_quotas",),
    "Clients whose use is measured for quotas": (
        "server/test_throttling.py::test_who_was_silent_for_longest_is_forgotten_first",
    ),
    "ACLs that one request changes": (
        "controller/test_acl_decisions.py::test_a_request_with_too_many_changes_makes_none",
    ),
    "Permissions that a connection remembers": (
        "apis/test_asking.py::test_no_more_permissions_are_remembered_than_there_is_room_for",
    ),
    "A Produce that a connection remembers, to know the next one like it": (
        "protocol/test_produce_alike.py::test_of_a_request_with_long_names_nothing_is_remembered",
    ),
    "Connections of a broker": (
        "server/test_many_connections.py::test_no_more_than_max_connections_are_let_in_however_many_come_at_once",
        "server/test_door.py::test_no_client_can_keep_those_of_another_address_out",
        "server/test_door.py::test_the_brokers_own_listener_lets_everybody_in_and_counts_nobody",
        "server/test_door.py::test_who_has_locked_everybody_out_comes_in_again_after_a_start_that_ignores_it",
    ),
    "Connections by descriptors": (
        "server/test_door.py::test_the_limit_is_raised_as_far_as_it_goes_and_divided",
        "server/test_door.py::test_where_no_descriptor_is_left_who_waits_at_the_door_is_shown_out",
    ),
    "Connections of one address": (
        "server/test_many_connections.py::test_an_address_with_too_many_connections_does_not_shut_out_others",
    ),
    "Connections of single hosts": ("server/test_door.py::test_single_hosts_have_limits_of_their_own",),
    "A file of keys or certificates": [
        "tls/test_stores.py::test_what_has_no_end_is_not_read_and_what_nobody_writes_to_is_not_waited_for",
    ],
    "TLS handshakes under way": [
        "server/test_tls.py::test_a_handshake_that_is_not_done_in_time_is_over",
        "server/test_tls.py::test_those_who_never_finish_a_handshake_keep_nobody_out",
    ],
    "Lines of the log about strangers": ["server/test_endings.py::test_a_thousand_of_a_kind_in_a_second_are_two_lines"],
    "A login": [
        "server/test_logins.py::test_who_does_not_log_in_in_time_makes_place",
        "hostile/test_login_floods.py::test_of_all_strangers_one_takes_a_step_in_a_round_of_the_loop",
    ],
    "A request before the login": [
        "server/test_logins.py::test_a_frame_before_the_login_is_small_and_one_after_it_may_be_large"
    ],
    "Who was refused": ["server/test_logins.py::test_who_is_refused_waits_to_hear_it"],
    "A session": ["server/test_logins.py::test_a_session_that_is_over_is_ended_unless_it_was_prolonged"],
    "A name in a certificate": ["tls/test_names_and_ciphers.py::test_a_name_of_any_length_is_not_looked_at"],
    "A token of OAUTHBEARER": [
        "security/test_bearer_tokens.py::test_a_token_that_somebody_has_changed_is_not_believed"
    ],
    "Users of SCRAM": [
        "controller/test_scram_users.py::"
        "test_no_more_credentials_than_there_is_room_for_and_those_that_are_there_can_change",
    ],
    "Delegation tokens": [
        "controller/test_delegation_tokens.py::test_no_more_tokens_than_that_are_kept_of_all_and_of_one"
    ],
    "Keys of delegation tokens that a listener remembers": [
        "security/test_scram.py::test_keys_of_tokens_are_made_once_and_no_more_are_kept_than_that"
    ],
    "Keys of an identity provider that are fetched": [
        "server/test_keys_by_url.py::test_whoever_is_not_to_be_believed_gives_no_keys_and_is_said_once",
        "security/test_key_refresh.py::test_a_key_that_is_unknown_has_them_fetched_soon_and_made_up_names_no_oftener",
    ],
    "Iterations of SCRAM": [
        "controller/test_scram_users.py::test_what_is_refused_changes_nothing",
        "security/test_scram.py::test_a_client_does_not_work_for_a_broker_that_makes_it_up",
    ],
    "A silent connection": (
        "server/test_slow_peers.py::test_a_peer_that_is_silent_between_frames_is_closed_when_it_was_idle_for_long",
        "server/test_slow_peers.py::test_idle_connections_are_kept_for_ever_where_that_is_asked_for",
    ),
    "A frame that does not come, or an answer that is not taken": (
        "server/test_slow_peers.py::test_a_frame_that_comes_byte_by_byte_and_never_ends_closes_its_connection",
        "server/test_slow_peers.py::test_a_reader_that_takes_next_to_nothing_at_a_time_is_closed",
        "server/test_slow_peers.py::test_a_reader_that_takes_a_big_answer_slowly_gets_all_of_it",
    ),
    "A wait whose client has gone": ("server/test_peers_that_go.py::test_a_long_poll_ends_with_its_connection",),
    "Requests of one connection that wait for their answers": (
        "server/test_limits.py::test_a_connection_is_not_read_while_a_thousand_of_its_answers_are_outstanding",
    ),
    "Connections kept to another node": (
        "server/test_limits.py::test_no_more_than_a_few_idle_connections_are_kept_to_another_node",
    ),
    "Bytes of a request": (
        "protocol/test_framing.py::test_a_size_that_may_not_be_is_refused_before_any_memory_is_taken",
    ),
    "Memory for requests that are arriving": (
        "server/test_memory_budget.py::test_frames_that_together_exceed_the_budget_are_all_answered",
        "server/test_memory_budget.py::test_who_may_exceed_the_budget_and_is_slow_has_to_make_way_for_those_who_wait",
        "server/test_memory_shares.py::test_however_many_hold_all_they_can_a_newcomer_has_room",
    ),
    "Elements of a request": (
        "protocol/messages/test_message_frames_hostile.py::test_all_arrays_of_a_message_share_one_budget",
    ),
    "A string of a message": (
        "protocol/messages/test_message_frames_hostile.py::test_a_string_is_as_long_as_every_version_could_hold_it",
    ),
    "Partitions of an OffsetCommit that are stored at a time": (
        "groups/test_group_handlers.py::test_a_commit_that_names_a_partition_a_thousand_times_writes_one_record",
        "groups/test_group_handlers.py::test_a_commit_of_thousands_of_partitions_lets_others_have_their_turn",
    ),
    "What a group writes of its members": (
        "groups/test_group_handlers.py::test_an_assignment_is_no_larger_than_the_topic_takes_records",
    ),
    "A batch that comes from outside into an internal topic": (
        "server/test_internal_topics_from_outside.py::test_what_its_coordinator_can_read_is_written_and_nothing_else",
        "server/test_internal_topics_from_outside.py::test_what_the_door_lets_in_is_bounded",
    ),
    "Topics that a client keeps in mind": (
        "client/cluster/test_cluster_image.py::test_what_nobody_has_asked_for_is_not_kept",
    ),
    "Attempts where nothing comes of an answer": (
        "client/test_hostile_answers.py::test_a_fetch_that_leads_nowhere_is_repeated_with_pauses",
        "client/test_hostile_answers.py::test_a_member_that_is_sent_away_for_ever_joins_again_with_pauses",
        "client/test_hostile_answers.py::"
        "test_a_record_that_is_refused_for_ever_is_given_up_in_time_and_sent_with_pauses",
    ),
    "Tagged fields of a section": (
        "protocol/messages/test_message_frames_hostile.py::test_a_section_of_tagged_fields_is_bounded",
    ),
    "Layouts of messages that are remembered": (
        "protocol/messages/test_message_frames_hostile.py::"
        "test_a_version_that_a_message_does_not_have_leaves_nothing_in_the_cache",
    ),
    "Bytes of an answer to Fetch or ShareFetch": (
        "server/test_fetching.py::test_the_whole_answer_keeps_to_its_limit_over_all_partitions",
        "server/test_share_fetching.py::test_no_answer_has_more_bytes_than_the_broker_allows",
    ),
    "Partitions of an answer to DescribeTopicPartitions": (
        "apis/test_describing_apis.py::test_the_brokers_limit_holds_whatever_is_asked_for",
    ),
    "Fetch sessions": (
        "partitions/test_fetch_sessions.py::test_only_a_session_that_nobody_used_for_long_makes_room_for_another",
        "partitions/test_fetch_sessions.py::test_a_follower_takes_the_place_of_a_consumer_at_once_and_never_the_other_way",
    ),
    "Partitions that fetch sessions remember": (
        "partitions/test_fetch_sessions.py::test_sessions_together_remember_no_more_partitions_than_they_may",
    ),
    "Partitions that a request creates": (
        "controller/test_create_topics.py::test_too_many_partitions_are_refused_as_a_whole",
    ),
    "A record of a producer's compressed batch": (
        "log/test_validation.py::test_no_record_of_a_compressed_batch_is_longer_than_the_topic_allows_where_it_says_so",
        "interop/test_refusals.py::test_how_long_a_record_of_a_compressed_batch_may_be_is_the_topics_to_say",
    ),
    "Bytes of a batch": (
        "client/test_client_against_broker.py::"
        "test_a_record_above_the_topics_limit_is_refused_and_its_neighbours_are_not",
    ),
    "A batch when its compression is undone": (
        "server/test_hostile_produce.py::test_a_bomb_is_refused_in_bounded_memory",
    ),
    "Batches that are looked into at a time": (
        "loop/test_looks.py::test_no_more_than_two_looks_are_at_work_and_the_others_come_in_order",
    ),
    "Replicas of a broker": (
        "controller/test_capacity.py::test_a_topic_that_is_too_much_is_refused_and_what_still_fits_is_made",
    ),
    "Open segments of a partition": ("server/test_limits.py::test_a_log_keeps_few_of_its_sealed_segments_open",),
    "Index of a segment": ("log/test_indexes.py::test_the_tail_has_a_bound",),
    "Sums of records of a segment": ("log/test_remaining.py::test_the_marks_of_a_segment_have_a_bound",),
    "Idempotent producers of a partition": (
        "log/test_producer_state.py::test_a_producer_is_forgotten_by_when_it_was_heard_not_by_its_timestamps",
    ),
    "Keys of one pass of compaction": (
        "log/test_compaction.py::test_a_full_key_map_ends_the_pass_early_and_the_next_one_goes_on",
    ),
    "Damage and defects of partitions": ("partitions/test_apart.py::test_damage_is_handed_on_and_met_only_once",),
    "Members of a group": ("groups/test_group_membership.py::test_a_full_group_takes_nobody_in_but_keeps_its_members",),
    "Members of a group of the consumer protocol": (
        "groups/test_consumer_group.py::test_the_group_has_no_more_members_than_it_may",
    ),
    "Session of a member": ("groups/test_group_membership.py::test_the_session_timeout_has_bounds",),
    "Note of a committed offset": ("groups/test_group_offsets.py::test_metadata_has_a_limit",),
    "Rebalances that a group remembers": (
        "groups/test_group_history.py::test_no_more_than_the_last_ones_are_kept_and_of_a_clients_words_only_the_first",
    ),
    "Groups and their offsets": (
        "groups/test_group_offsets.py::test_an_offset_expires_when_its_time_is_over_and_not_before",
    ),
    "Transactional ids": (
        "transactions/test_transaction_life.py::test_an_id_that_nobody_has_used_for_long_is_forgotten",
    ),
    "Records that followers get one by one": (
        "controller/test_metadata_tail.py::test_what_was_dropped_and_what_is_yet_to_come_is_not_in_the_tail",
    ),
    "Journal": ("controller/test_journal_damage.py::test_snapshots_bound_the_log_and_the_image_stays_the_same",),
    "Incarnations that a node remembers of itself": (
        "log/test_registration_note.py::test_of_a_broker_that_is_never_let_in_not_all_incarnations_are_kept",
    ),
    "Topics that a Metadata request has made": (
        "server/test_held_loop.py::test_topics_by_the_hundred_are_made_while_others_are_served",
    ),
    "Requests of administrators that are decided at a time": (
        "server/test_held_loop.py::test_three_thousand_changed_keys_are_decided_by_a_worker",
    ),
    "Parts of a request that are answered before others have their turn": (
        "server/test_held_loop.py::test_requests_that_take_no_answer_let_others_have_their_turn",
        "server/test_held_loop.py::test_a_fetch_of_many_partitions_is_read_in_slices",
    ),
    "Value of a setting": (
        "controller/test_config_room.py::"
        "test_a_value_is_as_long_as_kafka_takes_it_and_no_longer_whichever_way_it_comes",
    ),
    "Settings of all topics and brokers together": (
        "controller/test_config_room.py::test_all_configuration_together_is_bounded",
    ),
    "Logs that are opened at a time": (
        "partitions/test_log_opening.py::test_a_few_are_opened_at_a_time_in_the_order_in_which_they_were_wanted",
    ),
    "Registered brokers, topics": (
        "controller/test_capacity.py::test_more_partitions_than_a_broker_can_hold_are_refused",
    ),
    "Records that wait to be acknowledged": (
        "client/producer/test_producer_faults.py::test_send_raises_when_no_room_is_made_in_max_block_ms",
    ),
    "Requests on their way to one broker": (
        "client/producer/test_partition_queue.py::test_batches_leave_in_order_and_five_at_most",
    ),
    "Batches that wait to be handed out": (
        "client/consumer/test_partition_state.py::test_all_buffers_together_are_bounded",
    ),
    "Records that wait for another attempt": (
        "client/consumer/test_attempts.py::test_no_more_is_read_than_there_is_room_for",
    ),
    "Bytes of a fetched answer": (
        "server/test_fetching.py::test_the_whole_answer_keeps_to_its_limit_over_all_partitions",
    ),
    "A batch when its compression is undone, in a consumer": (
        "client/consumer/test_partition_state.py::test_a_bomb_is_not_undone_but_named_and_a_seek_leads_past",
    ),
    "An answer's frame": ("client/test_hostile_answers.py::test_a_frame_takes_memory_only_as_its_bytes_arrive",),
}

FIXED = "made once"
"""It holds what this program, or its configuration, has, and nobody adds to it."""
REQUEST = "of one piece of work"
"""It goes with the request, the decision, or the pass that it was made for."""
NODES = "Registered brokers, topics"
REPLICAS = "Replicas of a broker"
CONNECTIONS = "Connections of a broker"
WAITS = "Requests of one connection that wait for their answers"
GROUPS = "Groups and their offsets"
MEMBERS = "Members of a group"
CONSUMER_MEMBERS = "Members of a group of the consumer protocol"
SHARE_MEMBERS = "Members of a share group"
SHARING_MEMBERS = "Members of share groups that fetch from a broker"
SHARED = "Records of a partition that a share group has in hand"
SHARE_STATE = "What is stored of share groups"
TRANSACTIONS = "Transactional ids"
PRODUCERS = "Idempotent producers of a partition"
MEMORY = "Memory for requests that are arriving"
SEGMENTS = "Open segments of a partition"
MINE = "what this client's program asks for"
"""Topics, partitions and records that the program names: it has itself to blame."""
BUFFERED = "Records that wait to be acknowledged"
FETCHED = "Batches that wait to be handed out"
WAITING = "Records that wait for another attempt"

CONTAINERS = {
    "odradek_broker.apis.permissions.guard._lists_of": FIXED,
    "odradek_broker.apis.permissions.guard._parts_of": FIXED,
    "odradek.share.consumer.ShareConsumer._handed_out": MINE,
    "odradek.share.consumer.ShareConsumer._names": MINE,
    "odradek.share.consumer.ShareConsumer._typed": MINE,
    "odradek.share.fetcher.ShareFetcher._sources": NODES,
    "odradek.share.fetcher.ShareFetcher.arrived": MINE,
    "odradek.share.fetcher.ShareFetcher.refused": MINE,
    "odradek.share.fetcher.Source._epochs": MINE,
    "odradek.share.fetcher.Source._under_way": MINE,
    "odradek.share.session.ShareSession._known": MINE,
    "odradek.share.verdicts.Verdicts._said": MINE,
    "odradek_broker.apis.share_fetching.ShareFetching._fetched": REQUEST,
    "odradek_broker.apis.share_fetching.ShareFetching._leaders": REQUEST,
    "odradek_broker.coordinators.share_groups.ShareGroupsRuntime._leaders": SHARE_STATE,
    "odradek_broker.coordinators.share_leader.ShareLeader._fetchers": CONNECTIONS,
    "odradek_broker.groups.share.group.ShareGroup.initialized": SHARE_STATE,
    "odradek_broker.groups.share.group.ShareGroup.members": SHARE_MEMBERS,
    "odradek_broker.groups.share.group.ShareGroup.targets": SHARE_MEMBERS,
    "odradek_broker.sharing.ranges.Ranges._ranges": SHARED,
    "odradek_broker.sharing.share_partition.SharePartition._given_up": SHARED,
    "odradek_broker.sharing.sessions.ShareSession.wanted": SHARING_MEMBERS,
    "odradek_broker.sharing.sessions.ShareSessions._interests": SHARING_MEMBERS,
    "odradek_broker.sharing.sessions.ShareSessions._sessions": SHARING_MEMBERS,
    "odradek_broker.sharing.sessions._Interest._counts": SHARING_MEMBERS,
    "odradek_broker.sharing.share_state.ShareStateCoordinator.states": SHARE_STATE,
    "odradek_broker.security.audit.Audit._kept": "Decisions that the audit log counts at a time",
    "odradek_broker.security.audit.Audit._beyond": "Decisions that the audit log counts at a time",
    "odradek_broker.security.audit.Audit._of_host": "Decisions that the audit log counts at a time",
    "odradek_broker.node.audit_log.AuditLog._due": "Decisions that the audit log counts at a time",
    "odradek_broker.server.endings.Endings._more": FIXED,
    "odradek_broker.server.turns.Turns.waiting": CONNECTIONS,
    "odradek_broker.server.key_url.KeyUrl._keys": "Keys of an identity provider that are fetched",
    "odradek_broker.security.audit.Audit._new": "Decisions that the audit log counts at a time",
    "odradek_broker.security.delegation.TokenKeys._kept": "Keys of delegation tokens that a listener remembers",
    "odradek_broker.security.quotas.Meter._samples": FIXED,
    "odradek_broker.server.throttling.Meters._kept": "Clients whose use is measured for quotas",
    "odradek_broker.apis.permissions.asking.Asking._by_request": FIXED,
    "odradek_broker.apis.permissions.asking.Memory.known": "Permissions that a connection remembers",
    "odradek_broker.security.acl_index.AclDraft._by_id": "ACLs",
    "odradek_broker.security.acl_index.AclDraft._grants": "ACLs",
    "odradek_broker.security.acl_index.AclDraft._lengths": "ACLs",
    "odradek_broker.security.acl_index.AclDraft._own": REQUEST,
    "odradek_broker.security.acl_index.AclDraft._patterns": "ACLs",
    "odradek_broker.security.acl_index.AclDraft._patterns_of": "ACLs",
    "odradek.activity.Activities._waits": MINE,
    "odradek.consumer.attempts._Reading._paused": MINE,
    "odradek.consumer.lags.Lags._counted": MINE,
    "odradek.consumer.unfinished.Unfinished._held": WAITING,
    "odradek.consumer.unfinished.Unfinished._due": WAITING,
    "odradek.consumer.unfinished.Unfinished._lines": WAITING,
    "odradek.consumer.unfinished.Unfinished._made": WAITING,
    "odradek.consumer.unfinished.Unfinished._offsets": WAITING,
    "odradek.consumer.unfinished.Unfinished._ready": WAITING,
    "odradek.cluster.cluster.Cluster._asked": MINE,
    "odradek.cluster.cluster.Cluster._topics": MINE,
    "odradek.cluster.connection.Connection._outgoing": "Requests on their way to one broker",
    "odradek.cluster.connection.Connection._unanswered": "Requests on their way to one broker",
    "odradek.cluster.connections.ConnectionPool._places": NODES,
    "odradek.consumer.epoch_group.EpochGroup._ids": MINE,
    "odradek.admin.users._numbers": FIXED,
    "odradek.consumer.aborted.AbortedTransactions._aborting": FETCHED,
    "odradek.consumer.assignors.sticky._Balance._has": REQUEST,
    "odradek.consumer.assignors.sticky._Balance._partitions": REQUEST,
    "odradek.consumer.assignors.sticky._Balance._place": REQUEST,
    "odradek.consumer.assignors.sticky._Balance._takers": REQUEST,
    "odradek.consumer.consumer.Consumer._typed": MINE,
    "odradek.consumer.cursor.Cursor._polled": MINE,
    "odradek.consumer.fetcher.Fetcher._under_way": NODES,
    "odradek.consumer.missing_topics.MissingTopics._known": MINE,
    "odradek.consumer.partition.Chunk.batches": FETCHED,
    "odradek.consumer.partition.PartitionState._chunks": FETCHED,
    "odradek.consumer.rebalance.OwnedPartitions.taken_in_hand": MINE,
    "odradek.consumer.subscription.Subscription._turn": MINE,
    "odradek.consumer.subscription.Subscription.states": MINE,
    "odradek.batches.Batches._begin": FETCHED,
    "odradek.errors._classes": FIXED,
    "odradek.errors.Undelivered.causes": REQUEST,
    "odradek.cluster.metadata.ClusterImage._names": MINE,
    "odradek.cluster.metadata.ClusterImage.brokers": NODES,
    "odradek.cluster.metadata.ClusterImage.topics": MINE,
    "odradek.producer.accumulator.Accumulator._waiting": MINE,
    "odradek.producer.accumulator.Accumulator.topics": MINE,
    "odradek.producer.partitioner.TopicQueues.queues": MINE,
    "odradek.producer.base.ProducerBase._topics": MINE,
    "odradek.producer.queue.PartitionQueue.closed": BUFFERED,
    "odradek.producer.queue.PartitionQueue.in_flight": BUFFERED,
    "odradek.producer.sender.Sender._in_flight": NODES,
    "odradek.producer.sender.Sender._wakeups": NODES,
    "odradek.producer.sender.Sender.failed": BUFFERED,
    "odradek.producer.transaction_state.TransactionState._numbered": MINE,
    "odradek.producer.transaction_state.TransactionState.added": MINE,
    "odradek.protocol.codec_source._Source.lines": REQUEST,
    "odradek.protocol.codec_source._Source.names": REQUEST,
    "odradek.protocol.codec_fields.fields_of": FIXED,
    "odradek.protocol.codec_fields._hints": FIXED,
    "odradek.protocol.codec.decoder": "Layouts of messages that are remembered",
    "odradek.protocol.codec.encoder": "Layouts of messages that are remembered",
    "odradek.protocol.records.builder.BatchBuilder._pieces": REQUEST,
    "odradek.protocol.records.builder._header_name": FIXED,
    "odradek.protocol.records.record._text": FIXED,
    "odradek.protocol.registry._message_class": FIXED,
    "odradek.sync.testing.Cluster._nodes": MINE,
    "odradek_broker.apis.api_03_metadata._told": FIXED,
    "odradek_broker.config.broker_config.broker_keys": FIXED,
    "odradek_broker.config.properties._control": FIXED,
    "odradek_broker.config.setting._parsers": FIXED,
    "odradek_broker.controller.capacity.Capacity._taken": REQUEST,
    "odradek_broker.controller.create_topics._Configs._known": REQUEST,
    "odradek_broker.controller.frame.record_types": FIXED,
    "odradek_broker.controller.heartbeats.Heartbeats._contacts": NODES,
    "odradek_broker.controller.history.History._epochs": FIXED,
    "odradek_broker.controller.history.History._starts": FIXED,
    "odradek_broker.controller.replay._Draft._partitions": REQUEST,
    "odradek_broker.controller.replay._Draft.brokers": NODES,
    "odradek_broker.controller.replay._Draft.configs": "Settings of all topics and brokers together",
    "odradek_broker.controller.replay._Draft.features": NODES,
    "odradek_broker.controller.replay._Draft.topic_names": NODES,
    "odradek_broker.controller.replay._Draft.topics": NODES,
    "odradek_broker.controller.replay._replayers": FIXED,
    "odradek_broker.controller.tail.MetadataTail._frames": "Records that followers get one by one",
    "odradek_broker.election.candidate.Candidate._put_out": FIXED,
    "odradek_broker.election.etcd.Etcd._endpoints": FIXED,
    "odradek_broker.coordinators.groups.GroupsRuntime._resolving": GROUPS,
    "odradek_broker.coordinators.image_topics.ImageTopics._made": NODES,
    "odradek_broker.coordinators.image_topics.ImageTopics._racks": NODES,
    "odradek_broker.groups.assignors.uniform._Division._free": REQUEST,
    "odradek_broker.groups.assignors.uniform._Division._held": REQUEST,
    "odradek_broker.groups.assignors.uniform._Division._subscribers": REQUEST,
    "odradek_broker.groups.consumer.group.ConsumerGroup._heard": CONSUMER_MEMBERS,
    "odradek_broker.groups.consumer.group.ConsumerGroup._holders": CONSUMER_MEMBERS,
    "odradek_broker.groups.consumer.group.ConsumerGroup.members": CONSUMER_MEMBERS,
    "odradek_broker.groups.consumer.group.ConsumerGroup.regexes": CONSUMER_MEMBERS,
    "odradek_broker.groups.consumer.group.ConsumerGroup.static_members": CONSUMER_MEMBERS,
    "odradek_broker.groups.consumer.group.ConsumerGroup.targets": CONSUMER_MEMBERS,
    "odradek_broker.groups.group.ClassicGroup.arriving": MEMBERS,
    "odradek_broker.groups.group.ClassicGroup.members": MEMBERS,
    "odradek_broker.groups.group.ClassicGroup.reserved": MEMBERS,
    "odradek_broker.groups.group.ClassicGroup.static_members": MEMBERS,
    "odradek_broker.groups.group.ClassicGroup.unsynced": MEMBERS,
    "odradek_broker.groups.offsets.GroupOffsets.committed": GROUPS,
    "odradek_broker.groups.offsets.GroupOffsets.pending": GROUPS,
    "odradek_broker.groups.regex.Regex._met": REQUEST,
    "odradek_broker.groups.step.Step.answers": REQUEST,
    "odradek_broker.groups.step.Step.notes": REQUEST,
    "odradek_broker.groups.step.Step.records": REQUEST,
    "odradek_broker.groups.history.History._rebalances": "Rebalances that a group remembers",
    "odradek_broker.groups.table.GroupTable._transactions": GROUPS,
    "odradek_broker.groups.table.GroupTable.groups": GROUPS,
    "odradek_broker.coordination.timers.Timers._deadlines": GROUPS,
    "odradek_broker.coordination.timers.Timers._entries": GROUPS,
    "odradek_broker.coordination.timers.Timers._heap": GROUPS,
    "odradek_broker.log.cleaning.Cleaning.aborted": REQUEST,
    "odradek_broker.log.cleaning.Cleaning.unreadable": REQUEST,
    "odradek_broker.log.cleaning.Transactions._aborted": REQUEST,
    "odradek_broker.log.cleaning.Transactions._met": REQUEST,
    "odradek_broker.log.deleted_files.DeletedFiles._due": REPLICAS,
    "odradek_broker.log.directory.LogDirectory._opened": REPLICAS,
    "odradek_broker.log.directory.LogDirectory.damaged": FIXED,
    "odradek_broker.log.flush.Unsynced._directories": REPLICAS,
    "odradek_broker.log.flush.Unsynced._files": SEGMENTS,
    "odradek_broker.log.flush.Unsynced._paths": SEGMENTS,
    "odradek_broker.log.key_offsets.KeyOffsets._offsets": "Keys of one pass of compaction",
    "odradek_broker.log.leader_epochs.LeaderEpochs._epochs": REPLICAS,
    "odradek_broker.log.leader_epochs.LeaderEpochs._starts": REPLICAS,
    "odradek_broker.log.offset_checkpoints.OffsetCheckpoints._written": REPLICAS,
    "odradek_broker.log.offset_checkpoints.OffsetCheckpoints.damaged": FIXED,
    "odradek_broker.log.producer_state.Producer.batches": PRODUCERS,
    "odradek_broker.log.producer_state.ProducerStates._as_of": REPLICAS,
    "odradek_broker.log.producer_state.ProducerStates._completed": PRODUCERS,
    "odradek_broker.log.producer_state.ProducerStates._open": PRODUCERS,
    "odradek_broker.log.producer_state.ProducerStates.producers": PRODUCERS,
    "odradek_broker.log.segments.Segments._base_offsets": REPLICAS,
    "odradek_broker.log.producer_state.ProducersAsOf._before": PRODUCERS,
    "odradek_broker.log.producer_state.ProducersAsOf._producers": PRODUCERS,
    "odradek_broker.log.sealed_files.SealedFiles.paths": FIXED,
    "odradek_broker.log.snapshots.Snapshots._owed": REPLICAS,
    "odradek_broker.log.snapshots.Snapshots.offsets": REPLICAS,
    "odradek_broker.log.tail.Tail._last_offsets": "Index of a segment",
    "odradek_broker.log.tail.Tail._positions": "Index of a segment",
    "odradek_broker.log.remaining.Aborted._of": REQUEST,
    "odradek_broker.log.tally.Tally._marks": "Sums of records of a segment",
    "odradek_broker.ports.hang_ups.HangUps._watched": CONNECTIONS,
    "odradek_broker.ports.workers.ThreadWorkers._ended": REPLICAS,
    "odradek_broker.ports.workers.ThreadWorkers._jobs": REPLICAS,
    "odradek_broker.ports.workers.ThreadWorkers._threads": FIXED,
    "odradek_broker.replication.leader.Leadership._followers": NODES,
    "odradek_broker.loop.troubles.Troubles._said": REPLICAS,
    "odradek_broker.node.broker.Broker.partitions": REPLICAS,
    "odradek_broker.ports.handshakes.Handshakes._under_way": CONNECTIONS,
    "odradek_broker.server.logins.Logins._session_ms": FIXED,
    "odradek_broker.server.server.Server._entrances": FIXED,
    "odradek_broker.transactions.coordinator.TransactionCoordinator._offered": TRANSACTIONS,
    "odradek_broker.transactions.markers.Markers._untaken": TRANSACTIONS,
    "odradek_broker.partitions.apart.Apart._set_apart": "Damage and defects of partitions",
    "odradek_broker.metadata.broker_peers.BrokerPeers._peers": NODES,
    "odradek_broker.partitions.checkpoints.Checkpoints._cuts": REPLICAS,
    "odradek_broker.partitions.commits.Commits._open": WAITS,
    "odradek_broker.metadata.decider.Decider._being_written": REQUEST,
    "odradek_broker.metadata.fencing.Fencing._lost": NODES,
    "odradek_broker.metadata.host_watch.HostWatch._under_watch": NODES,
    "odradek_broker.metadata.witnesses.Witnesses._left": NODES,
    "odradek_broker.coordinators.runtime.CoordinatorPartition._uncommitted": CONNECTIONS,
    "odradek_broker.coordinators.runtime.CoordinatorPartition._waiters": CONNECTIONS,
    "odradek_broker.coordinators.coordinators.Coordinators._partitions": REPLICAS,
    "odradek_broker.partitions.fetch_sessions.FetchSession._told": "Partitions that fetch sessions remember",
    "odradek_broker.partitions.fetch_sessions.FetchSession.wanted": "Partitions that fetch sessions remember",
    "odradek_broker.partitions.fetch_sessions.FetchSessions._sessions": "Fetch sessions",
    "odradek_broker.partitions.flusher.Flusher._flushing": REPLICAS,
    "odradek_broker.partitions.interval_flush.IntervalFlush._unsynced_since": REPLICAS,
    "odradek_broker.partitions.isr_changes.IsrChanges._proposals": REPLICAS,
    "odradek_broker.partitions.log_opening.LogOpening._at_work": REPLICAS,
    "odradek_broker.partitions.log_opening.LogOpening._idle": REPLICAS,
    "odradek_broker.partitions.log_opening.LogOpening._queue": REPLICAS,
    "odradek_broker.partitions.log_opening.LogOpening._wanted": REPLICAS,
    "odradek_broker.coordinators.marker_sender.MarkerSender._back": TRANSACTIONS,
    "odradek_broker.coordinators.marker_sender.MarkerSender._unfinished": TRANSACTIONS,
    "odradek_broker.partitions.partition.Partition._flush_waiters": WAITS,
    "odradek_broker.partitions.partition.Partition._readers": CONNECTIONS,
    "odradek_broker.partitions.partition.Partition._replicas": NODES,
    "odradek_broker.partitions.partition.Partition.admissions": PRODUCERS,
    "odradek_broker.metadata.peer.Peer._idle": "Connections kept to another node",
    "odradek_broker.metadata.reachability.Reachability._fenced_ms": NODES,
    "odradek_broker.metadata.reachability.Reachability._lost_ms": NODES,
    "odradek_broker.metadata.recent_deletions.RecentDeletions._deleted_ms": NODES,
    "odradek_broker.metadata.controllers.Controllers._heart": FIXED,
    "odradek_broker.metadata.controllers.Controllers._peers": FIXED,
    "odradek_broker.partitions.replica_fetcher.ReplicaFetcher._epochs": REPLICAS,
    "odradek_broker.partitions.follower.Follower._rest_until": REPLICAS,
    "odradek_broker.partitions.replica_fetchers.ReplicaFetchers._fetchers": NODES,
    "odradek_broker.partitions.replica_logs.ReplicaLogs._damaged_ends": REPLICAS,
    "odradek_broker.partitions.replica_logs.ReplicaLogs._waiting": REPLICAS,
    "odradek_broker.server.connection.Connection._changed": WAITS,
    "odradek_broker.server.connection.Connection._pending": WAITS,
    "odradek_broker.server.door.Door.limits": FIXED,
    "odradek_broker.server.door.Door._inside": CONNECTIONS,
    "odradek_broker.server.memory.MemoryBudget._by_address": MEMORY,
    "odradek_broker.server.memory.MemoryBudget._waiting": MEMORY,
    "odradek_broker.server.server.Server._connections": CONNECTIONS,
    "odradek_broker.server.server.Server._departed": FIXED,
    "odradek_broker.server.server.Server._listeners": FIXED,
    "odradek_broker.server.server.Server.addresses": FIXED,
    "odradek_broker.transactions.coordinator.TransactionCoordinator._given": TRANSACTIONS,
    "odradek_broker.transactions.coordinator.TransactionCoordinator.transactions": TRANSACTIONS,
    "odradek_broker.transactions.markers.Markers._decided": TRANSACTIONS,
    "odradek_broker.transactions.markers.Markers._owed": TRANSACTIONS,
}
REASONS = {FIXED, REQUEST, MINE}
