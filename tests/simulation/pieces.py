"""Set pieces: schedules that chance does not find soon, each written for a rule that nothing else needs.

They are run before the seeds, and judged like them.
"""

from __future__ import annotations

from .pieces_leases import LEASES
from .pieces_mail import (
    echoes,
    forgotten,
    forward_in_doubt,
    fresh_primary,
    full_store,
    held_answers,
    late_fetch,
    late_forward,
    late_verdict,
    overload_comes_again,
    paused_while_others_adopt,
    question_under_way,
    quiet_primary,
    reuse_comes_again,
    round_under_way,
    stale_answers,
)
from .pieces_views import (
    closed_twice,
    cut_off_for_long,
    earlier_adoption,
    earlier_attempt,
    given_up_with_an_answer,
    late_proposal,
    late_proposal_told_again,
    learned_late,
    left_behind,
    left_while_installing,
    leftover,
    leftover_one_ballot,
    less_while_filling,
    refused_after_filling,
    short_tail,
    word_taken_back,
)

PIECES = {
    "closed_twice": closed_twice(),
    "cut_off_for_long": cut_off_for_long(),
    **{f"earlier_adoption_{seed}": earlier_adoption(seed) for seed in range(1, 7)},
    **{f"earlier_attempt_{seed}": earlier_attempt(seed) for seed in (1, 2)},
    "echoes": echoes(),
    **{f"forgotten_{seed}": forgotten(seed) for seed in (1, 2, 3)},
    "forward_in_doubt": forward_in_doubt(),
    **{f"fresh_primary_{alone}": fresh_primary(alone) for alone in range(550, 630, 10)},
    "full_store": full_store(),
    "given_up_with_an_answer": given_up_with_an_answer(),
    "held_answers": held_answers(),
    **{f"late_fetch_{release}": late_fetch(release) for release in (900, 910, 920, 1160)},
    **{f"late_forward_{release}": late_forward(release) for release in (1880, 1890, 1900)},
    **{f"late_proposal_{silent}": late_proposal(silent) for silent in (1090, 1140)},
    "late_proposal_told_again": late_proposal_told_again(),
    **{f"late_verdict_{release}": late_verdict(release) for release in (1860, 1880, 1900, 1920, 1940)},
    **{f"learned_late_{release}": learned_late(release) for release in (700, 800)},
    **LEASES,
    "left_behind": left_behind(),
    "left_while_installing": left_while_installing(),
    "leftover": leftover(),
    "leftover_one_ballot": leftover_one_ballot(),
    "less_while_filling": less_while_filling(),
    **{f"overload_comes_again_{seed}": overload_comes_again(seed) for seed in (1, 2)},
    "paused_while_others_adopt": paused_while_others_adopt(),
    "question_under_way": question_under_way(),
    "quiet_primary": quiet_primary(),
    "refused_after_filling": refused_after_filling(),
    **{f"reuse_comes_again_{seed}": reuse_comes_again(seed) for seed in (1, 2)},
    "round_under_way": round_under_way(),
    "short_tail": short_tail(),
    **{f"stale_answers_{seed}": stale_answers(seed) for seed in (1, 2)},
    "word_taken_back": word_taken_back(),
}
"""By name."""
