"""Where to look first: the seed of the default budget that found each fault last time.

It saves the time of the seeds before it and proves nothing: if it does not find the fault any more, because
the simulation or the core has changed, the whole budget is spent. Faults without a seed fall to the set
pieces.
"""

HINTS: dict[str, int] = {
    "former_life_acks": 3,
    "no_read_round": 5,
    "read_round_reused": 5,
    "ask_reused": 42,
    "no_seal": 3,
    "base_cut_at_commit": 65,
    "base_before_all_promised": 5,
    "promise_kept_over_restart": 12,
    "restarted_node_promises": 22,
    "told_view_not_checked": 11,
    "no_floor_of_epochs": 9,
    "snapshot_in_place": 0,
    "synced_before_the_tail": 6,
    "chunk_lost": 3,
    "request_applied_twice": 2,
    "results_not_transferred": 0,
    "idempotency_keys_not_transferred": 3,
    "trimmed_too_far": 0,
    "trimmed_log_sent": 0,
    "suspicion_never_ends": 7,
    "unknown_called_not_applied": 3,
    "forwarded_called_not_applied": 6,
    "exposed_ends_with_the_promise": 3,
    "refusals_forgotten": 11,
    "key_claims_forgotten": 5,
    "key_not_compared": 1,
    "losses_not_told": 7,
    "told_again_is_active": 31,
    "no_resend": 2,
    "nudges_once": 57,
    "restart_not_noticed": 12,
    "outside_goes_on_serving": 18,
    "copy_appended_twice": 0,
}
